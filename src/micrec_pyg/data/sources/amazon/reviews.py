"""Amazon ratings or reviews of any size into one Parquet table, in bounded memory.

Blocks of lines are parsed by polars and written one after the other. Lines are looked
at one by one only in a block with a fault.
"""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.files.line_blocks import line_blocks
from micrec_pyg.data.files.times import LAST_SECOND
from micrec_pyg.data.sources.amazon.layout import FIELDS, Layout, parser
from micrec_pyg.data.sources.amazon.review_faults import (
    ID,
    cells_fault,
    csv_fault,
    damage,
    first_second,
    line_fault,
)
from micrec_pyg.schema import InputError

log = logging.getLogger(__name__)

MOST_DROPPED = 0.1
"""Share of impossible reviews from which it is the file, not a line, that is wrong."""
_SCHEMA = {
    "user": pl.String(),
    "item": pl.String(),
    "rating": pl.Float64(),
    "timestamp": pl.Int64(),
}


def write_interactions(source: Path, layout: Layout, target: Path) -> tuple[int, int]:
    """Return how many reviews were written, and how many dropped.

    Written are user, item, rating and timestamp (s). A review is dropped if one of
    these is impossible, such as a time before 1970; the first one is named in the log.

    Args:
        source: ratings or reviews, gzip or plain.
        layout: of that file.
        target: the Parquet table; written in the order of the file, repeated reviews
            among them.

    Raises:
        InputError: a line cannot be read, or more than ``MOST_DROPPED`` of all reviews
            would be dropped; the first such line is named.
    """
    import pyarrow.parquet as pq

    schema = pl.DataFrame(schema=_SCHEMA).to_arrow().schema
    rows = dropped = 0
    first: InputError | None = None
    with pq.ParquetWriter(target, schema) as writer:
        for first_line, block in line_blocks(source):
            if layout.header and first_line == 1:
                block, first_line = block.split(b"\n", 1)[1], 2
            frame, bad = _read(source, layout, first_line, block)
            if bad and first is None:
                first = line_fault(source, layout, first_line, block)
            writer.write_table(frame.to_arrow().cast(schema))
            rows, dropped = rows + frame.height, dropped + bad
    if first is not None and dropped > MOST_DROPPED * (rows + dropped):
        raise first
    if rows == 0:
        raise InputError(f"{source}: there is no review in it; fetch the file again")
    if first is not None:
        log.warning("%s: %d impossible reviews are dropped: %s", source, dropped, first)
    return rows, dropped


def _read(
    path: Path, layout: Layout, first_line: int, block: bytes
) -> tuple[pl.DataFrame, int]:
    """Return the reviews of one block of lines, and how many were dropped."""
    try:
        frame = _parse(layout, block)
    except (
        *(pl.exceptions.PolarsError, ValueError, SyntaxError),
        *(RecursionError, MemoryError),
    ) as error:
        if layout.style == "csv":
            raise line_fault(path, layout, first_line, block) from error
        try:
            frame = _line_by_line(layout, block)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error_of_line:
            raise damage(path, layout, first_line, block) from error_of_line
    good = frame.filter(_usable(layout))
    # polars fills up short lines, which show that a file was cut off
    if layout.style == "csv" and good.height < frame.height:
        if csv_fault(layout, block.decode(), cells=False):
            raise damage(path, layout, first_line, block)
    return good, frame.height - good.height


def _usable(layout: Layout) -> pl.Expr:
    """Return whether the cells of a row are possible."""
    return pl.all_horizontal(
        pl.col("user", "item").str.contains(ID).fill_null(False),
        pl.col("rating").is_finite().fill_null(False),
        pl.col("timestamp")
        .is_between(first_second(layout), LAST_SECOND, closed="left")
        .fill_null(False),
    )


def _line_by_line(layout: Layout, block: bytes) -> pl.DataFrame:
    """Return the rows of objects some of which have cells of another type.

    Raises:
        ValueError: as all other errors, a line is no object at all.
    """
    read = parser(layout.style)
    rows: list[dict[str, Any]] = []
    for line in block.decode().split("\n"):
        if not line.strip():
            continue
        row = read(line.strip())
        if not isinstance(row, dict):
            raise ValueError("a line is no object")
        cells: dict[str, Any] = {field: row.get(key) for field, key in _keys(layout)}
        if cells_fault(layout, cells, FIELDS):
            cells = dict.fromkeys(FIELDS)
        elif layout.milliseconds:
            cells["timestamp"] //= 1000
        rows.append(cells)
    return pl.DataFrame(rows, schema=_SCHEMA, strict=False)


def _keys(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield our name and the key of every field of an object."""
    return zip(FIELDS, layout.columns, strict=True)


def _parse(layout: Layout, block: bytes) -> pl.DataFrame:
    """Return the rows of one block; what is no number is null."""
    if not block.strip():
        return pl.DataFrame(schema=_SCHEMA)
    if layout.style == "csv":
        names = [name or f"_{at}" for at, name in enumerate(layout.columns)]
        raw = pl.read_csv(
            io.BytesIO(block.lstrip(b"\r\n")),  # its first line tells the width
            has_header=False,
            schema=dict.fromkeys(names, pl.String()),
        )
        raw = raw.filter(pl.any_horizontal(pl.all().is_not_null()))
        raw = raw.select(pl.col(FIELDS).str.strip_chars())
    else:
        if layout.style == "python":
            block = _as_json(layout, block)
        types = (pl.String, pl.String, pl.Float64, pl.Float64)
        schema = dict(zip(layout.columns, types, strict=True))
        raw = pl.read_ndjson(io.BytesIO(block), schema=schema)
        raw = raw.rename(dict(zip(layout.columns, FIELDS, strict=True)))
    time = pl.col("timestamp").cast(pl.Float64, strict=False)
    if layout.milliseconds:
        time = time / 1000
    return raw.select(
        "user",
        "item",
        pl.col("rating").cast(pl.Float64, strict=False),
        time.floor().cast(pl.Int64, strict=False),
    )


def _as_json(layout: Layout, block: bytes) -> bytes:
    """Return a block of Python literals as JSON lines with what is needed of them."""
    read = parser("python")
    lines = [line for line in block.decode().split("\n") if line.strip()]
    rows = [read(line.strip()) for line in lines]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line is no dict")
    return b"\n".join(
        json.dumps({key: row.get(key) for key in layout.columns}).encode()
        for row in rows
    )
