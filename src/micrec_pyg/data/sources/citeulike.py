"""CiteULike-t as a catalogue: readers, articles, words, and who cites whom.

The facts of an article are the articles that it cites and that cite it, and itself.
So two articles are similar if one cites the other, and more so if they also share
citations: as a modality, the citation graph makes neighbours.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.domain_folder import hashes
from micrec_pyg.data.catalogue.facts import COLUMNS, KG
from micrec_pyg.data.files.writing import write_tsv
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.schema import InputError

CONVERSION = 1
"""Raised whenever the converted files change, so that old ones are not used."""
DOMAIN = "articles"
CITES = "cites"
FILES = ("interactions.tsv", "items.tsv", f"{KG}.tsv")


@dataclass(frozen=True, kw_only=True)
class CiteULike(Source):
    """The one domain of the data set, with the chosen facts."""

    root: str
    """Data folder; conversions lie in ``<root>/processed``."""
    path: str
    """Has the folder ``articles``."""
    facts: Sequence[str]
    """Relations that count, of those in the table of facts; [] for none."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the files with citations in both directions.

        Raises:
            InputError: a file is missing or cannot be read, or a relation is unknown.
        """
        files = self._files()
        source = files[0].parent
        origin = {DOMAIN: hashes(source, files)}
        content = ["citeulike", CONVERSION, origin, list(self.facts)]
        fill = functools.partial(_convert, source, list(self.facts))
        folder = convert_once(self.root, "citeulike", content, fill)
        return OwnFormat(folder=folder, origin=origin)

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a folder without all of the files."""
        self._files()

    def _files(self) -> list[Path]:
        """Return the paths of ``FILES``."""
        files = [Path(self.path).expanduser() / DOMAIN / name for name in FILES]
        for file in files:
            if not file.is_file():
                raise InputError(
                    f"{file}: no such file; give a folder with {DOMAIN}/"
                    f"{', '.join(FILES)} as data.path"
                )
        return files


def _convert(source: Path, wanted: list[str], folder: Path) -> None:
    """Write the own-catalogue layout."""
    target = folder / DOMAIN
    target.mkdir()
    for name in FILES[:2]:
        (target / name).write_bytes((source / name).read_bytes())
    facts = _facts(source / FILES[2])
    known = facts["relation"].unique().sort().to_list()
    if unknown := [name for name in wanted if name not in known]:
        raise InputError(f"facts={unknown}: give any of {', '.join(known)}")
    if wanted:
        chosen = facts.filter(pl.col("relation").is_in(wanted))
        write_tsv(_closed(chosen), target / FILES[2])


def _facts(path: Path) -> pl.DataFrame:
    """Return item, relation and entity of every row; a tag is not taken for a word.

    There is a tag "none", and that would mark a missing value.

    Raises:
        InputError: the table lacks a column.
    """
    facts = pl.read_csv(
        path, separator="\t", quote_char=None, infer_schema=False, glob=False
    )
    if missing := [name for name in COLUMNS if name not in facts.columns]:
        raise InputError(f"{path}: column {', '.join(missing)} is missing")
    tag = pl.concat_str("relation", "entity", separator=":")
    is_article = pl.col("relation") == CITES
    entity = pl.when(is_article).then("entity").otherwise(tag)
    return facts.select("item", "relation", entity.alias("entity"))


def _closed(facts: pl.DataFrame) -> pl.DataFrame:
    """Return facts whose citations lead to both ends and to the article itself."""
    cites = facts.filter(relation=CITES)
    back = cites.select(item="entity", relation="relation", entity="item")
    ends = pl.concat([cites, back])
    itself = ends.select("item", "relation", entity="item")
    return pl.concat([facts, back, itself]).unique().sort("item", "relation", "entity")
