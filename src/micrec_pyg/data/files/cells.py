"""Columns of tables as ids and numbers; what cannot be one is noted."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.json_lines import rows_without_plain_ids
from micrec_pyg.data.files.problems import STRICT, Problem, Problems
from micrec_pyg.data.files.table_names import kind_of
from micrec_pyg.data.files.tables import ROW, add_cells

MAX_ID = 512
"""Bytes of the longest id; a longer one is a text, or a quote that never ended."""
_BLANK = r"^[\s\p{Cf}]*$"
"""Nothing, or what cannot be seen: blanks of any kind and marks without a width."""
_MISSING = r"^(?i:nan|null|none|nat|<na>|\\n)$"
_NEGATIVE = r"^\s*-\s*\d+$"
_NESTED = r'^(\{["}]|\[["\d\[{\]-])'
"""What the parser makes of a JSON value that is itself a list or an object."""
_PLAIN_VALUE = r"^(true|false|-?[\d.]+)$"
"""What the parser makes of a JSON value that is no text."""
_Fault = tuple[pl.Series, str, str]
"""Which ids have it, what is needed, and what to do."""
_CONTROL = r"[\x00-\x1f\x7f]"


def ids(
    frame: pl.DataFrame,
    column: str,
    path: Path,
    problems: Problems = STRICT,
    *,
    in_file: str | None = None,
) -> pl.Series:
    """Return a column of raw ids as strings, null where there is none.

    A Categorical column without a fault is returned as it is: its few different ids
    are looked at, and not every row.

    Args:
        frame: of ``read_table``.
        column: its name there.
        path: the file.
        problems: where to note what is wrong.
        in_file: its name in the file; None: the same.

    Raises:
        InputError: a row has no usable id; its line is named.
    """
    raw = frame[column]
    if not is_of_ids(raw):
        problems.add(wrong_type(raw, path, "ids must be texts or whole numbers"))
        return pl.Series(column, [None] * len(raw), dtype=pl.String)
    if raw.dtype == pl.Categorical and not raw.has_nulls():
        different = raw.unique().cast(pl.String)
        if not any(bad.any() for bad, _, _ in _faults_of_ids(different, path)):
            return raw
    text = raw.cast(pl.String)
    faults = _faults_of_ids(text, path)
    if kind_of(path) == ".jsonl" and raw.dtype == pl.String:
        faults.append(_fault_of_types(frame, text, path, in_file or column))
    for bad, need, mend in faults:
        if bad.any():
            add_cells(frame, text, bad, path, problems, need=need, mend=mend)
            text = text.set(bad, None)
    return text


def is_of_ids(column: pl.Series) -> bool:
    """Return whether the type of a column is one of ids: texts or whole numbers."""
    texts = (pl.String, pl.Categorical, pl.Enum, pl.Null)
    return column.dtype.is_integer() or column.dtype in texts


def first_fault(texts: Sequence[str] | pl.Series) -> tuple[int, str] | None:
    """Return the place of the first text that a file may not have as an id.

    And what is needed instead; None if it may have all of them.
    """
    series = pl.Series(texts, dtype=pl.String)
    found = [
        (place, need)
        for bad, need, _ in _faults_of_ids(series, Path())
        if (place := bad.arg_max()) is not None and bad[place]
    ]
    return min(found, default=None)


def _faults_of_ids(text: pl.Series, path: Path) -> list[_Fault]:
    """Return for every possible fault which ids have it, what is needed, what to do."""
    faults = [
        (
            text.str.contains(_BLANK).fill_null(True),
            "an id is needed",
            "fill it in or drop the row",
        ),
        (
            text.str.contains(_MISSING).fill_null(False),
            "which marks a missing value, an id is needed",
            "fill it in or drop the row",
        ),
        (
            text.str.contains(_NEGATIVE).fill_null(False),
            "a negative number, an id is needed",
            "drop the row if it means 'unknown', else write a letter before the number",
        ),
        (
            text.str.contains(_CONTROL).fill_null(False)
            | (text.str.len_bytes() > MAX_ID).fill_null(False),
            f"an id of one line and at most {MAX_ID} bytes is needed",
            "look for a quote that is opened and never closed",
        ),
    ]
    if kind_of(path) == ".jsonl":
        nested = text.str.contains(_NESTED).fill_null(False)
        faults.append((nested, "a nested value, an id is needed", "write the id alone"))
    return faults


def _fault_of_types(
    frame: pl.DataFrame, text: pl.Series, path: Path, name: str
) -> _Fault:
    """Return which texts of a JSONL table are no texts or whole numbers in the file."""
    rows: list[int] = []
    if text.str.contains(_PLAIN_VALUE).any():
        rows = rows_without_plain_ids(path, name)
    return (
        frame[ROW].is_in(rows) & ~text.str.contains(_NEGATIVE).fill_null(False),
        "which is a decimal, true or false there; an id is a text or a whole number",
        "write it in quotes if it is a text",
    )


def decimals(
    frame: pl.DataFrame, column: str, path: Path, problems: Problems = STRICT
) -> pl.Series:
    """Return a column of finite numbers (Float64), null where there is none.

    Raises:
        InputError: a value is missing or no number; its line is named.
    """
    raw = frame[column]
    if not is_number_or_text(raw):
        problems.add(wrong_type(raw, path, "numbers are needed"))
        return pl.Series(column, [None] * len(raw), dtype=pl.Float64)
    number = stripped(raw).cast(pl.Float64, strict=False)
    bad = ~number.is_finite().fill_null(False)
    add_cells(frame, raw, bad, path, problems, need="a number is needed")
    return number.set(bad, None)


def integers(
    frame: pl.DataFrame, column: str, path: Path, problems: Problems = STRICT
) -> pl.Series:
    """Return a column of whole numbers (Int64), null where there is none.

    Decimal spellings such as ``881250949.0`` are whole numbers too.

    Raises:
        InputError: a value is missing or no whole number; its line is named.
    """
    raw = frame[column]
    if not is_number_or_text(raw):
        problems.add(wrong_type(raw, path, "whole numbers are needed"))
        return pl.Series(column, [None] * len(raw), dtype=pl.Int64)
    whole = whole_numbers(raw, cut=False)
    need = "a whole number is needed"
    add_cells(frame, raw, whole.is_null(), path, problems, need=need)
    return whole


def whole_numbers(raw: pl.Series, *, cut: bool) -> pl.Series:
    """Return the whole parts of numbers, null where a cell is none.

    Args:
        raw: numbers, or texts.
        cut: whether what stands behind the point is cut; else such a cell is null.
    """
    if raw.dtype.is_integer():
        return raw.cast(pl.Int64, strict=False)
    text = stripped(raw)
    number = text.cast(pl.Float64, strict=False)
    if not cut:
        fraction = (number != number.floor()).fill_null(False)
        number = number.set(fraction, None)
        text = text if raw.dtype == pl.String else number
    # whole numbers first: nanoseconds do not fit into a float
    return text.cast(pl.Int64, strict=False).fill_null(
        number.cast(pl.Int64, strict=False)
    )


def is_number_or_text(raw: pl.Series) -> bool:
    """Return whether the cells of a column may be numbers."""
    return raw.dtype.is_numeric() or raw.dtype in (pl.String, pl.Null)


def wrong_type(raw: pl.Series, path: Path, need: str) -> Problem:
    """Return the problem of a column whose type cannot be what is needed."""
    mend = "cast the column where you write the file"
    if raw.dtype.is_float():
        mend += " (pandas turns whole numbers with gaps into decimals)"
    fault = f"the column is of type {raw.dtype}, {need}"
    return Problem(path, fault, mend, column=raw.name)


def stripped(raw: pl.Series) -> pl.Series:
    """Return the values without surrounding blanks, where they are text."""
    return raw.str.strip_chars() if raw.dtype == pl.String else raw
