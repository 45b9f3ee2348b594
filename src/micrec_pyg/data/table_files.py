"""Tables from files: TSV, CSV, Parquet and JSONL alike.

Everything wrong in a file ends in an error that names the file, the line and the
column. What the columns mean is decided elsewhere (``domain_folder``).
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.schema import InputError

SUFFIXES = (".tsv", ".csv", ".parquet", ".jsonl")
ROW = "_row"
"""Name of the column that ``read_table`` adds: the place of the row in its file."""


def find_table(folder: Path, stem: str) -> Path | None:
    """Return the one table ``<stem>.<tsv|csv|parquet|jsonl>``, None without any.

    Raises:
        InputError: several such files lie there.
    """
    found = [
        folder / f"{stem}{s}" for s in SUFFIXES if (folder / f"{stem}{s}").exists()
    ]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(
            f"{folder}: found {names}; only one {stem} table may be there, "
            "so remove or rename the others"
        )
    return found[0] if found else None


def read_table(path: Path) -> pl.DataFrame:
    """Return the rows of a table, plus the column ``ROW``; blank lines are skipped.

    Columns of TSV and CSV files stay strings (ids such as ``007`` survive) and an
    empty field is null. A TSV file has no quoting: a quote is an ordinary character.

    Raises:
        InputError: the file cannot be parsed.
    """
    try:
        frame = _parse(path)
    except pl.exceptions.PolarsError as error:
        fault = _fault(path) or str(error).splitlines()[0]
        raise InputError(
            f"{path}: not a readable {path.suffix} table: {fault}"
        ) from error
    content = pl.any_horizontal(pl.exclude(ROW).is_not_null())
    return frame.with_row_index(ROW).filter(content)


def require_columns(frame: pl.DataFrame, needed: Sequence[str], path: Path) -> None:
    """Check that a table has these columns.

    Raises:
        InputError: names the columns found and the ones needed.
    """
    found = [name for name in frame.columns if name != ROW]
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing; found: "
            f"{', '.join(found)}; needed: {', '.join(needed)}"
        )


def ids(frame: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """Return a column of raw ids as strings.

    Raises:
        InputError: a row has none; its line is named.
    """
    raw = frame[column].cast(pl.String)
    _reject(frame, raw, (raw == "").fill_null(True), path, "an id is needed")
    return raw


def decimals(frame: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """Return a column of finite numbers (Float64).

    Raises:
        InputError: a value is missing or no number; its line is named.
    """
    raw = frame[column]
    number = _stripped(raw).cast(pl.Float64, strict=False)
    bad = ~number.is_finite().fill_null(False)
    _reject(frame, raw, bad, path, "a number is needed")
    return number


def integers(frame: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """Return a column of whole numbers (Int64); dates become Unix seconds.

    Decimal spellings such as ``881250949.0`` are cut to their whole part.

    Raises:
        InputError: a value is missing or no number; its line is named.
    """
    raw = frame[column]
    if raw.dtype.is_temporal():
        whole = raw.cast(pl.Datetime).dt.epoch("s")
    else:
        text = _stripped(raw)
        # whole numbers first: nanoseconds do not fit into a float
        whole = text.cast(pl.Int64, strict=False).fill_null(
            text.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        )
    bad = whole.is_null()
    _reject(frame, raw, bad, path, "a whole number is needed (times in Unix seconds)")
    return whole


def place(frame: pl.DataFrame, position: int, path: Path) -> str:
    """Return where a row of a table stands in its file, as ``line 7``."""
    row = int(frame[ROW][position])
    if path.suffix == ".parquet":
        return f"row {row + 1}"
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as file:
            filled = [n for n, line in enumerate(file, start=1) if line.strip()]
        return f"line {filled[row]}"
    # a quoted CSV field may hold line breaks
    before = frame.filter(pl.col(ROW) < row).select(pl.col(pl.String))
    breaks = before.select(pl.all().str.count_matches("\n").sum()).sum_horizontal()
    return f"line {row + 2 + int(breaks.sum())}"


def _reject(
    frame: pl.DataFrame, raw: pl.Series, bad: pl.Series, path: Path, need: str
) -> None:
    """Raise an InputError about the first bad row, if there is one."""
    first = bad.arg_max()
    if first is None or not bad[first]:
        return
    value = "an empty field" if raw[first] is None else repr(raw[first])
    raise InputError(
        f"{path}, {place(frame, first, path)}, column '{raw.name}': got {value}, "
        f"{need} ({int(bad.sum())} such rows in this file)"
    )


def _stripped(raw: pl.Series) -> pl.Series:
    """Return the values without surrounding blanks, where they are text."""
    return raw.str.strip_chars() if raw.dtype == pl.String else raw


def _parse(path: Path) -> pl.DataFrame:
    """Return the table as polars reads it."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".jsonl":
        return pl.read_ndjson(path, infer_schema_length=None)
    if path.suffix == ".tsv":
        return pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
    return pl.read_csv(path, infer_schema=False)


def _fault(path: Path) -> str | None:
    """Return what is wrong with an unreadable file and in which line, if known."""
    if path.suffix == ".parquet":
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(file)
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    return _json_fault(lines) if path.suffix == ".jsonl" else _wide_row(lines, path)


def _json_fault(lines: Sequence[str]) -> str | None:
    """Return the first line that is no JSON object."""
    for number, line in enumerate(lines, start=1):
        try:
            good = not line.strip() or isinstance(json.loads(line), dict)
        except json.JSONDecodeError:
            good = False
        if not good:
            return f"line {number} is not a JSON object"
    return None


def _wide_row(lines: Sequence[str], path: Path) -> str | None:
    """Return the first line with more fields than the header."""
    plain = path.suffix == ".tsv"
    reader = csv.reader(
        lines,
        delimiter="\t" if plain else ",",
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
    )
    try:
        width = len(next(reader, []))
        for fields in reader:
            if len(fields) > width:
                return (
                    f"line {reader.line_num} has {len(fields)} fields, "
                    f"the header has {width}"
                )
    except csv.Error as error:
        return f"line {reader.line_num}: {error}"
    return None
