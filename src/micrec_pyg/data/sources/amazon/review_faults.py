"""What is wrong with a line of Amazon's reviews, and where it stands."""

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.data.files.problems import Problem
from micrec_pyg.data.files.times import LAST_SECOND
from micrec_pyg.data.sources.amazon.layout import FIELDS, MILLISECONDS, Layout, parser
from micrec_pyg.schema import InputError

ID = r"^[\w#.\-]+$"
_NEEDS = {
    "user": "an id",
    "item": "an id",
    "rating": "a number",
    "timestamp": "a Unix time before 2100",
}


def first_second(layout: Layout) -> int:
    """Return the earliest time; a smaller number of milliseconds is one of seconds."""
    return MILLISECONDS // 1000 if layout.milliseconds else 0


def damage(path: Path, layout: Layout, first_line: int, block: bytes) -> InputError:
    """Return the first line of a block that is no row; cells do not count."""
    return line_fault(path, layout, first_line, block, cells=False)


def line_fault(
    path: Path, layout: Layout, first_line: int, block: bytes, *, cells: bool = True
) -> InputError:
    """Return the first fault in a block that cannot be read whole.

    Args:
        path: the file.
        layout: of the file.
        first_line: number of the block's first line.
        block: the lines.
        cells: whether impossible cells count.
    """
    at = re.search(rb"[\x80-\xff]", block) and _bad_byte(block)
    if at is not None:
        line = first_line + block[:at].count(b"\n")
        fault = f"byte 0x{block[at]:02x} is not UTF-8 text"
        mend = "fetch the file again, or save it as UTF-8"
        return InputError(str(Problem(path, fault, mend, place=f"line {line}")))
    find = csv_fault if layout.style == "csv" else _object_fault
    found = find(layout, block.decode(), cells=cells)
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


def csv_fault(layout: Layout, text: str, *, cells: bool) -> tuple[int, str, str] | None:
    """Return (line in the block, column, fault) of the first bad CSV row."""
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 0
    try:
        for row in reader:
            if row and len(row) != len(layout.columns):
                fault = f"got {len(row)} fields: {_short(row)}"
                return line, "", f"{fault}, needed: {len(layout.columns)}"
            stripped = (cell.strip() for cell in row)
            named = dict(zip(layout.columns, stripped, strict=bool(row)))
            if cells and row and (found := cells_fault(layout, named, FIELDS)):
                column = layout.columns.index(found[0]) + 1
                return line, f"{column} ({found[0]})", found[1]
            line = reader.line_num
    except csv.Error as error:
        return line, "", str(error)
    return None


def _object_fault(
    layout: Layout, text: str, *, cells: bool
) -> tuple[int, str, str] | None:
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
        if cells and (fault := _keys_fault(layout, row, content)):
            return line, *fault
    return None


def _keys_fault(
    layout: Layout, row: Mapping[str, Any], content: str
) -> tuple[str, str] | None:
    """Return (key, fault) of the first field of an object that cannot be used."""
    for key in layout.columns:
        if key not in row:
            return key, f"the key is missing in {_short(content)}"
    return cells_fault(layout, row, layout.columns)


def cells_fault(
    layout: Layout, row: Mapping[str, Any], keys: tuple[str, ...]
) -> tuple[str, str] | None:
    """Return (key, fault) of the first cell of a review that cannot be used."""
    as_text = layout.style == "csv"
    for key, field in zip(keys, FIELDS, strict=True):
        cell = row[key]
        if field in ("user", "item"):
            fine = isinstance(cell, str) and bool(re.search(ID, cell))
        else:
            number = _number(cell, as_text)
            fine = number is not None
            if field == "timestamp" and number is not None:
                seconds = number / 1000 if layout.milliseconds else number
                fine = first_second(layout) <= seconds < LAST_SECOND
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
