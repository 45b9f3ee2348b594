"""Ready-made splits: train, valid and test files of every domain."""

import logging
from collections.abc import Collection
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.data.catalogue.folder_names import TABLES, entries, unread_files
from micrec_pyg.data.files.cells import ids
from micrec_pyg.data.files.table_names import find_table
from micrec_pyg.data.files.tables import (
    ROW,
    places,
    read_table,
    require_columns,
)
from micrec_pyg.data.splits.parts import (
    TEST,
    TRAIN,
    VAL,
    Domains,
    edge_split,
    raw_pairs,
    require_training,
)
from micrec_pyg.schema import EdgeSplit, InputError, Interactions

log = logging.getLogger(__name__)

FILES = {"train": TRAIN, "valid": VAL, "test": TEST}
"""Stems of the three files and the part that each one holds."""
PAIR = ["user", "item"]


def files(domains: Domains, *, path: str) -> dict[str, EdgeSplit]:
    """Return the split that files give, as it is.

    Layout: ``<path>/<domain>/<train|valid|test>.<tsv|csv|parquet|jsonl>`` with the
    columns user and item, further ones are not read. Every interaction of the data
    stands in exactly one of the three files, and nothing else does. Users with a
    training edge are seen, and every item is, as in ``split.random_ratio``. What else
    lies there is named in the log.

    Args:
        domains: the data that the files divide.
        path: folder with a subfolder per domain.

    Raises:
        InputError: a file is missing or unreadable; a pair stands twice, is not in the
            data, or is in no file; a domain has no training edge.
    """
    root = Path(path).expanduser()
    splits = {}
    for name, domain in domains.items():
        part = _parts(domain.interactions, root / name)
        require_training(name, part, f"{root / name} has no row in its train file")
        splits[name] = edge_split(domain.interactions, part, None)
    _tell_unread(root, domains)
    return splits


def _tell_unread(root: Path, domains: Collection[str]) -> None:
    """Warn of what lies beside the files and is not read."""
    places = [root / name for name in domains]
    if any(find_table(place, TABLES[0]) for place in places):
        return  # it is the folder of the data, whose reader names the rest
    fault = "it is not read: no domain of the data is called so"
    why = dict.fromkeys((p.name for p in entries(root) if p.is_dir()), (fault, ""))
    found = [find_table(place, stem) for place in places for stem in FILES]
    used = {*places, *filter(None, found)}
    for place, reasons in ((root, why), *((place, {}) for place in places)):
        for note in unread_files(place, used, reasons):
            log.warning("%s", note)


def _parts(data: Interactions, folder: Path) -> Int[Tensor, " edges"]:
    """Return the part of each edge, in the order of the data."""
    tables = {stem: _table(folder, stem) for stem in FILES}
    rows = pl.concat(
        [
            table.select(*PAIR, ROW, pl.lit(stem).alias("stem"))
            for stem, (_, table) in tables.items()
        ]
    )
    pairs = raw_pairs(data)
    repeated = rows.filter(~pl.struct(PAIR).is_first_distinct())
    _refuse(repeated, tables, "stands in these files already; a pair stands once")
    strange = rows.join(pairs, on=PAIR, how="anti", maintain_order="left")
    _refuse(strange, tables, "is not in the data (or filtered out, by rating_min)")
    found = pairs.join(rows, on=PAIR, how="left", maintain_order="left")
    missing = found.filter(pl.col("stem").is_null())
    if not missing.is_empty():
        user, item = missing.select(PAIR).row(0)
        raise InputError(
            f"{folder}: the data has user '{user}' with item '{item}', no file has "
            f"({missing.height} such pairs); add them to a file or drop them from the "
            "data"
        )
    codes = found["stem"].replace_strict(FILES, return_dtype=pl.Int64)
    return torch.from_numpy(codes.to_numpy(writable=True))


def _table(folder: Path, stem: str) -> tuple[Path, pl.DataFrame]:
    """Return the path of one file, and user, item and the row's place in it."""
    found = find_table(folder, stem)
    if found is None:
        raise InputError(
            f"{folder}: no {stem}.(tsv|csv|parquet|jsonl) there; needed are "
            f"{', '.join(FILES)} in a folder per domain"
        )
    table = read_table(found)
    assert table is not None  # it raises where problems are not collected
    require_columns(table.columns, PAIR, found)
    return found, table.with_columns(*(ids(table, name, found) for name in PAIR))


def _refuse(
    bad: pl.DataFrame, tables: dict[str, tuple[Path, pl.DataFrame]], reason: str
) -> None:
    """Raise an InputError about the first bad row, if there is one."""
    if bad.is_empty():
        return
    row = bad.row(0, named=True)
    path, table = tables[row["stem"]]
    position = int((table[ROW] == row[ROW]).arg_max() or 0)
    (where,) = places(table, [position], path)
    raise InputError(
        f"{path}, {where}: user '{row['user']}' with item "
        f"'{row['item']}' {reason} ({bad.height} such rows)"
    )
