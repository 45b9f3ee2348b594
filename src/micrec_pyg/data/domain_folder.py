"""One domain folder of the own-catalogue format, read and checked.

Still raw ids and strings; ``tables`` turns it into catalogues.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.table_files import (
    ROW,
    decimals,
    find_table,
    ids,
    integers,
    place,
    read_table,
    require_columns,
)
from micrec_pyg.schema import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
TABLES = ("interactions", "items")


@dataclass(frozen=True, eq=False)
class DomainFolder:
    """The content of one domain folder."""

    path: Path
    rows: pl.DataFrame
    """user, item (strings) and any of rating, time, part."""
    items: pl.DataFrame
    """item (unique) and the other columns of the items table; empty without one."""
    images: pl.DataFrame
    """item, image (path); one row per image file."""
    vectors: Mapping[str, pl.DataFrame]
    """item, vector (list of Float32) per modality."""
    digest: str
    """sha256 of the names and content of all files that were read."""
    counts: Mapping[str, int]
    """Items not in the items table (kept), images and vectors of unknown items."""


def read_domain_folder(path: Path, *, need_rating: bool) -> DomainFolder:
    """Return what one domain folder holds.

    Raises:
        InputError: a table is missing, unreadable, lacks a column or holds a value
            that cannot be understood.
    """
    source = find_table(path, "interactions")
    if source is None:
        raise InputError(f"{path}: no interactions.(tsv|csv|parquet|jsonl) there")
    rows = _rows(source, need_rating)
    catalogue = find_table(path, "items")
    items = pl.DataFrame({"item": []}, schema={"item": pl.String})
    if catalogue is not None:
        items = _items(catalogue)
    images = _images(path / "images")
    vector_files = [p for p in sorted(path.glob("*.parquet")) if p.stem not in TABLES]
    vectors = {p.stem: _vectors(p) for p in vector_files}

    known = pl.concat([items["item"], rows["item"]])
    unlisted = rows.filter(~pl.col("item").is_in(items["item"].implode()))
    strange = [
        table.filter(~pl.col("item").is_in(known.implode())).height
        for table in vectors.values()
    ]
    counts = {
        "items_missing_from_items_table": (
            0 if catalogue is None else unlisted["item"].n_unique()
        ),
        "images_of_unknown_items": images.filter(
            ~pl.col("item").is_in(known.implode())
        ).height,
        "vectors_of_unknown_items": sum(strange),
    }
    files = [source, *([catalogue] if catalogue else []), *vector_files]
    digest = _digest(path, [*files, *map(Path, images["image"])])
    return DomainFolder(path, rows, items, images, vectors, digest, counts)


def _rows(path: Path, need_rating: bool) -> pl.DataFrame:
    """Return the interactions under the names that the rest of the code uses."""
    table = read_table(path)
    require_columns(table, ["user", "item", *(["rating"] if need_rating else [])], path)
    columns = {"user": ids(table, "user", path), "item": ids(table, "item", path)}
    if need_rating:
        columns["rating"] = decimals(table, "rating", path)
    clock = next((c for c in ("timestamp", "order") if c in table.columns), None)
    if clock is not None:
        columns["time"] = integers(table, clock, path)
    if "x_label" in table.columns:
        columns["part"] = _parts(table, path)
    return pl.DataFrame(columns)


def _parts(table: pl.DataFrame, path: Path) -> pl.Series:
    """Return the ready split, 0, 1 or 2 per row."""
    parts = integers(table, "x_label", path)
    bad = ~parts.is_in([0, 1, 2])
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise InputError(
            f"{path}, {place(table, row, path)}, column 'x_label': got {parts[row]}, "
            "needed: 0 (train), 1 (validation) or 2 (test)"
        )
    return parts


def _items(path: Path) -> pl.DataFrame:
    """Return the items table; every item once."""
    table = read_table(path)
    require_columns(table, ["item"], path)
    table = table.with_columns(ids(table, "item", path))
    repeated = ~table["item"].is_first_distinct()
    if repeated.any():
        row = int(repeated.arg_max() or 0)
        raise InputError(
            f"{path}, {place(table, row, path)}, column 'item': "
            f"'{table['item'][row]}' was listed before; every item may stand once"
        )
    return table.drop(ROW)


def _images(folder: Path) -> pl.DataFrame:
    """Return item and path of every image file, in the order of their names."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    table = pl.DataFrame(
        {"item": [f.stem for f in files], "image": [str(f) for f in files]},
        schema={"item": pl.String, "image": pl.String},
    )
    repeated = table.filter(table["item"].is_duplicated())
    if not repeated.is_empty():
        names = ", ".join(Path(p).name for p in repeated["image"].head(2))
        raise InputError(f"{folder}: {names} show one item; keep one image per item")
    return table


def _vectors(path: Path) -> pl.DataFrame:
    """Return item and vector of one precomputed modality."""
    table = read_table(path)
    require_columns(table, ["item", "vector"], path)
    names = ids(table, "item", path)
    try:
        vectors = table["vector"].cast(pl.List(pl.Float32))
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path}, column 'vector': got {table['vector'].dtype}, needed: a list of "
            "numbers per row"
        ) from error
    checked = pl.DataFrame({"item": names, "vector": vectors}).drop_nulls("vector")
    if checked["item"].is_duplicated().any():
        raise InputError(f"{path}: an item has several vectors; keep one")
    widths = checked["vector"].list.len().unique().sort().to_list()
    if len(widths) != 1 or widths == [0]:
        raise InputError(f"{path}: vectors have the widths {widths}; one is needed")
    finite = checked["vector"].list.eval(pl.element().is_finite().fill_null(False))
    bad = checked.filter(~finite.list.all())
    if not bad.is_empty():
        raise InputError(
            f"{path}: the vector of item '{bad['item'][0]}' is not finite "
            f"({bad.height} such items); leave out items without a vector"
        )
    return checked


def _digest(root: Path, files: list[Path]) -> str:
    """Return the sha256 over the names and content of the files."""
    content = {}
    for path in files:
        with path.open("rb") as file:
            hashed = hashlib.file_digest(file, "sha256")
        content[path.relative_to(root).as_posix()] = hashed.hexdigest()
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
