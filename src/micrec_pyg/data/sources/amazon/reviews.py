"""Amazon ratings or reviews of any size into one Parquet table, in bounded memory.

Blocks of lines are parsed by polars and written one after the other. Lines are looked
at one by one only in a block with a fault, to say which line it is.
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.files.line_blocks import line_blocks
from micrec_pyg.data.files.problems import Problem
from micrec_pyg.data.sources.amazon.layout import FIELDS, Layout, parser
from micrec_pyg.schema import InputError

LAST_SECOND = 4_102_444_800
"""The year 2100; later times are a fault."""
_ID = r"^[\w#.\-]+$"
_SCHEMA = {
    "user": pl.String(),
    "item": pl.String(),
    "rating": pl.Float64(),
    "timestamp": pl.Int64(),
}
_NEEDS = {
    "user": "an id",
    "item": "an id",
    "rating": "a number",
    "timestamp": "a Unix time before 2100",
}


def write_interactions(source: Path, layout: Layout, target: Path) -> int:
    """Return how many reviews were written: user, item, rating, timestamp (s).

    Args:
        source: ratings or reviews, gzip or plain.
        layout: of that file.
        target: the Parquet table; written in the order of the file, repeated reviews
            among them.

    Raises:
        InputError: a line cannot be read; the first one is named.
    """
    import pyarrow.parquet as pq

    schema = pl.DataFrame(schema=_SCHEMA).to_arrow().schema
    rows = 0
    with pq.ParquetWriter(target, schema) as writer:
        for first_line, block in line_blocks(source):
            frame = _read(source, layout, first_line, block)
            writer.write_table(frame.to_arrow().cast(schema))
            rows += frame.height
    if rows == 0:
        raise InputError(f"{source}: there is no review in it; fetch the file again")
    return rows


def _read(path: Path, layout: Layout, first_line: int, block: bytes) -> pl.DataFrame:
    """Return the reviews of one block of lines."""
    if layout.header and first_line == 1:
        block, first_line = block.split(b"\n", 1)[1], 2
    try:
        frame = _parse(layout, block)
    except (pl.exceptions.PolarsError, ValueError, SyntaxError) as error:
        raise _fault(path, layout, first_line, block) from error
    good = frame.select(
        pl.col("user", "item").str.contains(_ID),
        pl.col("rating").is_finite(),
        pl.col("timestamp").is_between(0, LAST_SECOND, closed="left"),
    )
    if not good.select(pl.all_horizontal(pl.all().fill_null(False)).all()).item():
        raise _fault(path, layout, first_line, block)
    return frame


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


def _fault(path: Path, layout: Layout, first_line: int, block: bytes) -> InputError:
    """Return the first fault in a block that cannot be read."""
    at = re.search(rb"[\x80-\xff]", block) and _bad_byte(block)
    if at is not None:
        line = first_line + block[:at].count(b"\n")
        fault = f"byte 0x{block[at]:02x} is not UTF-8 text"
        mend = "fetch the file again, or save it as UTF-8"
        return InputError(str(Problem(path, fault, mend, place=f"line {line}")))
    find = _csv_fault if layout.style == "csv" else _object_fault
    found = find(layout, block.decode())
    if found is None:
        last = first_line + block.count(b"\n") - 1
        fault, place = "its lines cannot be read", f"lines {first_line} to {last}"
        return InputError(str(Problem(path, fault, place=place)))
    line, column, fault = found
    mend = "mend or delete the line, or fetch the file again"
    place = f"line {first_line + line}"
    return InputError(str(Problem(path, fault, mend, place, column)))


def _bad_byte(block: bytes) -> int | None:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _csv_fault(layout: Layout, text: str) -> tuple[int, str, str] | None:
    """Return (line in the block, column, fault) of the first bad CSV row."""
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 0
    try:
        for row in reader:
            if row and len(row) != len(layout.columns):
                fault = f"got {len(row)} fields: {_short(row)}"
                return line, "", f"{fault}, needed: {len(layout.columns)}"
            stripped = (cell.strip() for cell in row)
            cells = dict(zip(layout.columns, stripped, strict=bool(row)))
            if row and (found := _cells_fault(layout, cells, FIELDS)):
                column = layout.columns.index(found[0]) + 1
                return line, f"{column} ({found[0]})", found[1]
            line = reader.line_num
    except csv.Error as error:
        return line, "", str(error)
    return None


def _object_fault(layout: Layout, text: str) -> tuple[int, str, str] | None:
    """Return (line in the block, key, fault) of the first bad object."""
    read = parser(layout.style)
    kind = "JSON object" if layout.style == "json" else "Python literal of a dict"
    for line, content in enumerate(text.split("\n")):
        if not content.strip():
            continue
        try:
            row = read(content.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            return line, "", f"got {_short(content)}, needed: one {kind} ({error})"
        if not isinstance(row, dict):
            return line, "", f"got {_short(content)}, needed: one {kind}"
        for key in layout.columns:
            if key not in row:
                return line, key, f"the key is missing in {_short(content)}"
        if fault := _cells_fault(layout, row, layout.columns):
            return line, *fault
    return None


def _cells_fault(
    layout: Layout, row: Mapping[str, Any], keys: tuple[str, ...]
) -> tuple[str, str] | None:
    """Return (key, fault) of the first cell of a review that cannot be used."""
    as_text = layout.style == "csv"
    for key, field in zip(keys, FIELDS, strict=True):
        cell = row[key]
        if field in ("user", "item"):
            fine = isinstance(cell, str) and bool(re.search(_ID, cell))
        else:
            number = _number(cell, as_text)
            fine = number is not None
            if field == "timestamp" and number is not None:
                seconds = number / 1000 if layout.milliseconds else number
                fine = 0 <= seconds < LAST_SECOND
        if not fine:
            return key, f"got {_short(cell)}, needed: {_NEEDS[field]}"
    return None


def _number(cell: object, as_text: bool) -> float | None:
    """Return a finite number, None if a cell is none."""
    if isinstance(cell, bool) or isinstance(cell, str) != as_text:
        return None
    try:
        number = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _short(cell: object) -> str:
    """Return a value for a message, long ones cut."""
    if cell is None or cell == "":
        return "an empty field"
    text = repr(cell)
    return text if len(text) <= 80 else f"{text[:77]}..."
