"""Data sets in RecBole's layout of atomic files, as catalogues.

Converted once into the own-catalogue layout, which is read from then on.
"""

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.domain_folder import hashes, read_items
from micrec_pyg.data.catalogue.facts import KG, link_facts
from micrec_pyg.data.catalogue.folder_names import TABLES
from micrec_pyg.data.files.columns import check_columns, check_texts
from micrec_pyg.data.files.problems import STRICT, Problem
from micrec_pyg.data.files.tables import ROW
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.recbole.atomic_files import (
    floats,
    own_rows,
    read_tokens,
    role_columns,
    typed_names,
    vectors,
)
from micrec_pyg.data.sources.recbole.folder import (
    AtomicFiles,
    find_atomic_files,
    unread,
)
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.schema import InputError

log = logging.getLogger(__name__)

CONVERSION = 1
"""Raised whenever the converted files change, so that old ones are not used."""
FIELDS = {
    "user": "user_id",
    "item": "item_id",
    "rating": "rating",
    "timestamp": "timestamp",
    "order": "order",
    "x_label": "x_label",
}
"""The usual field of every role."""
VECTOR = "_feat"
"""Ends the name of a field with vectors; what stands before it is the modality."""
_TRIPLES = {"head_id": "head", "relation_id": "relation", "tail_id": "tail"}
_LINKS = {"item_id": "item", "entity_id": "entity"}


@dataclass(frozen=True, kw_only=True)
class RecBole(Source):
    """The data sets in a folder of RecBole's atomic files, each as a domain.

    ``.inter`` gives the interactions; ``.item`` the items: texts from fields of type
    token and token_seq, and a modality from each float_seq (``image_feat`` is the
    modality image). ``.user`` is not read; it and what else lies there are named in the
    log. Paths of link tables begin at ``path``.
    """

    root: str
    """Data folder; conversions lie in ``<root>/processed``."""
    path: str
    """A folder with ``NAME.inter``, or with subfolders that have one."""
    benchmark: Sequence[str] | None
    """The parts of a ready split, ``NAME.train.inter`` and so on: train, validation,
    test; None never reads them."""
    kg: bool
    """Whether ``.kg`` and ``.link`` are read, facts about the items."""
    columns: Mapping[str, str] | None
    """{role: field}; the usual names are in ``FIELDS``."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the converted files of the wanted data sets.

        Raises:
            InputError: a file is missing or cannot be read, or an option does not fit.
        """
        check_columns(self.columns)
        found = self._found()
        files = self._wanted(found, domains)
        origin = {k: hashes(each.all[0].parent, each.all) for k, each in files.items()}
        roles = {k: [path.name for path in each.all] for k, each in files.items()}
        content = ["recbole", CONVERSION, origin, roles, dict(self.columns or {})]
        convert = functools.partial(_convert, list(files.values()), self.columns)
        name = f"recbole-{'_'.join(files)}"
        return OwnFormat(
            folder=convert_once(self.root, name, content, convert),
            domains=list(files),
            links_in=self._folder,
            origin=origin,
            notes=unread(self._folder, found),
        )

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a folder without the wanted data sets."""
        self._wanted(self._found(), domains)

    @property
    def _folder(self) -> Path:
        return Path(self.path).expanduser().resolve()

    def _found(self) -> dict[str, AtomicFiles]:
        """Return the files of all data sets by their names."""
        check_texts(benchmark=self.benchmark)
        return find_atomic_files(self._folder, self.benchmark, self.kg)

    def _wanted(
        self, found: Mapping[str, AtomicFiles], domains: Sequence[str] | None
    ) -> dict[str, AtomicFiles]:
        """Return those that are wanted."""
        wanted = list(found) if domains is None else domains
        unknown = [name for name in wanted if name not in found]
        if unknown or not wanted:
            raise InputError(
                f"{self._folder}: domains={unknown or '[]'}; found: {', '.join(found)}"
            )
        return {name: found[name] for name in wanted}


def _convert(
    files: Sequence[AtomicFiles], columns: Mapping[str, str] | None, folder: Path
) -> None:
    """Write the own-catalogue layout of every data set."""
    for each in files:
        target = folder / each.name
        target.mkdir()
        rows = [_rows(path, columns) for path in each.inter]
        if len(rows) > 1:
            rows = [rows[part].with_columns(x_label=part) for part in range(3)]
            if len({tuple(sorted(part.columns)) for part in rows}) > 1:
                raise InputError(
                    f"{each.inter[0]}: it has the fields {', '.join(rows[0].columns)}, "
                    f"the other parts {', '.join(rows[1].columns)} and "
                    f"{', '.join(rows[2].columns)}; write the same into all three"
                )
            rows = [part.select(rows[0].columns) for part in rows]
        pl.concat(rows).write_parquet(target / "interactions.parquet")
        if each.item is not None:
            _write_items(each.item, columns, target)
        if each.kg is not None:
            triples, links = each.kg
            facts = link_facts(
                read_tokens(triples, _TRIPLES), read_tokens(links, _LINKS)
            )
            facts.write_parquet(target / f"{KG}.parquet")


def _rows(path: Path, columns: Mapping[str, str] | None) -> pl.DataFrame:
    return own_rows(path, role_columns(typed_names(path), FIELDS, columns)).drop(ROW)


def _write_items(path: Path, columns: Mapping[str, str] | None, folder: Path) -> None:
    """Write the items table, and a table of vectors per field of them."""
    located = role_columns(typed_names(path), FIELDS, columns)
    table = read_items(path, located, STRICT)
    content = {"item": table["item"]}
    for name in table.drop(ROW, "item").columns:
        field, _, kind = name.rpartition(":")
        if field == "item":
            fault, mend = "a field is called item", "rename it; the id is item_id"
            raise InputError(str(Problem(path, fault, mend, place="line 1")))
        if kind == "float_seq":
            vector = vectors(table, name, path).rename("vector")
            _write_vectors(table["item"], vector, path, field, folder)
        else:
            content[field] = (
                floats(table, name, path) if kind == "float" else table[name]
            )
    pl.DataFrame(content).write_parquet(folder / "items.parquet")


def _write_vectors(
    item: pl.Series, vector: pl.Series, path: Path, field: str, folder: Path
) -> None:
    """Write one modality; if no item has it, warn and write nothing."""
    modality = field.removesuffix(VECTOR)
    target = folder / f"{modality}.parquet"
    fault = ""
    if not re.fullmatch(r"[\w-][\w .-]*", modality) or modality in (*TABLES, KG):
        fault = f"no modality can be called {modality!r}"
    elif target.exists():
        fault = f"two fields are the modality {modality}"
    if fault:
        mend = "rename the field"
        raise InputError(str(Problem(path, fault, mend, place="line 1", column=field)))
    table = pl.DataFrame({"item": item, "vector": vector}).drop_nulls()
    if table.is_empty():
        log.warning("%s: no item has a vector in the field %s", path, field)
        return
    table.write_parquet(target)
