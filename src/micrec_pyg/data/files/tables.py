"""Tables from files: TSV, CSV, Parquet and JSONL alike.

Everything wrong in a file becomes a ``Problem`` with the file, the line and the
column. By default the first one is raised as an ``InputError``. What the columns mean
is decided elsewhere (``domain_folder``).
"""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.files.columns import nearest
from micrec_pyg.data.files.compressed import DAMAGED, open_lines
from micrec_pyg.data.files.json_lines import read_json_lines
from micrec_pyg.data.files.problems import STRICT, Problem, Problems
from micrec_pyg.data.files.separated import (
    Codes,
    delimiter_hint,
    read_in_pieces,
    read_separated,
    with_codes,
)
from micrec_pyg.data.files.table_names import kind_of
from micrec_pyg.data.files.text import (
    blank_rows,
    check_text,
    first_lines,
)

logger = logging.getLogger(__name__)

ROW = "_row"
"""Name of the column that ``read_table`` adds: the place of the row in its file."""
_ROWS_AT_ONCE = 2**18


def read_table(
    path: Path, problems: Problems = STRICT, *, codes: Codes = lambda names: ()
) -> pl.DataFrame | None:
    """Return the rows of a table, plus the column ``ROW``; blank lines are skipped.

    A row of empty cells is no blank line.

    Columns of TSV and CSV files stay strings (ids such as ``007`` survive) and an
    empty field is null. A TSV file has no quoting: a quote is an ordinary character.

    Args:
        path: a file; one with none of the ``SUFFIXES`` is read as TSV.
        problems: where to note what is wrong.
        codes: given the names of the columns, which texts of a TSV, CSV or Parquet
            file become Categorical; that takes a tenth of the memory where they repeat.

    Returns:
        None where the file cannot be parsed and problems are collected.

    Raises:
        InputError: the file cannot be parsed.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            # a pipe or a device would be read for ever
            fault = (
                "it cannot be read: it is no regular file, but a folder, pipe or device"
            )
            problems.add(Problem(path, fault, "a readable file is needed"))
            return None
        if size == 0:
            problems.add(Problem(path, "the file is empty", "write a header and rows"))
            return None
        if kind_of(path) == ".parquet":
            frame = _parquet(path, problems, codes)
        else:
            frame = _text_table(path, problems, codes)
    except DAMAGED as error:
        fault = f"the gzip data are damaged or cut off ({error})"
        problems.add(Problem(path, fault, "write the file again"))
        return None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        if path.is_symlink() and not path.exists():
            reason = "it is a link to nothing"
        mend = "a readable file is needed"
        problems.add(Problem(path, f"it cannot be read: {reason}", mend))
        return None
    if frame is None or not _check_names(frame.columns, path, problems):
        return None
    return _without_blank_lines(frame.with_row_index(ROW), path)


def _without_blank_lines(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return the rows of a table that are no blank lines of its file."""
    content = pl.any_horizontal(pl.exclude(ROW).is_not_null())
    if kind_of(path) in (".parquet", ".jsonl") or frame.select(content.all()).item():
        return frame  # a filter copies even where it keeps everything
    if frame.width > 2:  # in a single column a line without a value is blank
        last = frame.select(content.arg_true().last()).item()
        content = ~pl.col(ROW).is_in(pl.Series(blank_rows(path)).implode())
        # a spreadsheet leaves such rows where cells once had a value
        end = 0 if last is None else last + 1
        if cut := frame[end:].filter(content).height:
            logger.info("%s: %d rows of empty cells at its end are left out", path, cut)
        frame = frame[:end]
    return frame.filter(content)


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a table that can be read."""
    import pyarrow.parquet as pq

    if kind_of(path) == ".parquet":
        return list(pq.read_schema(path).names)
    if kind_of(path) == ".jsonl":
        table = read_json_lines(path, Problems(limit=0))
        return [] if table is None else table.columns
    return [str(name) for name in read_separated(path, header=False, rows=1).row(0)]


def require_columns(
    found: Sequence[str],
    needed: Sequence[str],
    path: Path,
    problems: Problems = STRICT,
    *,
    have: Sequence[str] | None = None,
) -> bool:
    """Return whether a table has the columns it needs; note those that are missing.

    Args:
        found: names of the columns in the file.
        needed: names or roles that must be there.
        path: the file, for messages.
        problems: where to note what is missing.
        have: the roles that were found; None: the names themselves.

    Raises:
        InputError: names the columns found and the ones needed, and the nearest.
    """
    found = [name for name in found if name != ROW]
    missing = [name for name in needed if name not in (found if have is None else have)]
    if missing:
        several = len(missing) > 1
        named = ", ".join(missing)
        named = f"columns {named} are" if several else f"column {named} is"
        hints = [
            delimiter_hint(found, path),
            *(nearest(name, found) for name in missing),
        ]
        problems.add(
            Problem(
                path,
                f"{named} missing; found: "
                f"{', '.join(found)}; needed: {', '.join(needed)}",
                next((hint for hint in hints if hint), ""),
                place="" if kind_of(path) in (".parquet", ".jsonl") else "line 1",
            )
        )
    return not missing


def places(frame: pl.DataFrame, positions: Sequence[int], path: Path) -> list[str]:
    """Return where rows of a table stand in their file, as ``line 7``."""
    rows = [int(frame[ROW][position]) for position in positions]
    if kind_of(path) == ".parquet":
        return [f"row {row + 1}" for row in rows]
    if kind_of(path) == ".jsonl":
        with open_lines(path) as file:
            filled = [n for n, line in enumerate(file, start=1) if line.strip()]
        return [f"line {filled[row]}" for row in rows]
    return [f"line {line}" for line in first_lines(path, rows)]


def add_cells(
    frame: pl.DataFrame,
    raw: pl.Series,
    bad: pl.Series,
    path: Path,
    problems: Problems,
    *,
    need: str,
    mend: str = "",
    error: bool = True,
) -> None:
    """Note the cells of a column that are bad, if any are.

    Raises:
        InputError: as ``Problems.add``.
    """
    positions = bad.arg_true()
    if positions.is_empty():
        return
    shown = positions.head(problems.wanted).to_list()
    where = places(frame, shown, path)
    first = [
        Problem(path, f"got {_value(raw[at])}, {need}", mend, place, raw.name, error)
        for at, place in zip(shown, where, strict=True)
    ]
    problems.add_rows(first, len(positions))


def _value(cell: Any) -> str:
    """Return a cell for a message, long ones cut."""
    if cell is None:
        return "an empty field"
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check_names(names: Sequence[str], path: Path, problems: Problems) -> bool:
    """Return whether the header of a table can be used."""
    fault = mend = ""
    quoted = [n for n in names if len(n) > 1 and n[0] == n[-1] == '"']
    if not names:
        fault, mend = "it has no column", "write a header"
    elif ROW in names:
        fault, mend = f"a column is called {ROW}, a name that we use", "rename it"
    elif kind_of(path) == ".tsv" and quoted:
        fault = f"the header holds the quoted name {quoted[0]}"
        mend = "a TSV file has no quotes: write plain fields, or save it as .csv"
    if fault:
        problems.add(Problem(path, fault, mend, place="line 1"))
    return not fault


def _text_table(path: Path, problems: Problems, codes: Codes) -> pl.DataFrame | None:
    """Return a TSV, CSV or JSONL table, None if it has a fault."""
    if not check_text(path, problems):
        return None
    try:
        if kind_of(path) == ".jsonl":
            return read_json_lines(path, problems)
        # polars would rename a repeated column
        header = read_separated(path, header=False, rows=1).row(0)
        if _repeated([str(name) for name in header if name], path, problems):
            return None
        pieces = read_in_pieces(path, codes)
        if pieces is None:
            return read_separated(path, header=True, rows=None)
        return pieces
    except pl.exceptions.PolarsError as error:
        fault = f"not a readable {kind_of(path)} table: {str(error).splitlines()[0]}"
        problems.add(Problem(path, fault))
        return None


def _repeated(names: Sequence[str], path: Path, problems: Problems) -> bool:
    """Return whether a column name stands twice in a header, and note it."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        fault = f"column {', '.join(repeated)} is there twice"
        problems.add(Problem(path, fault, "rename or remove one", place="line 1"))
    return bool(repeated)


def _parquet(path: Path, problems: Problems, codes: Codes) -> pl.DataFrame | None:
    """Return a Parquet table, None if it is damaged.

    Read by pyarrow, checked and handed over in pieces: polars may panic on damaged
    files, and two copies of a large one may be too many.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    damaged = (pa.ArrowException, UnicodeDecodeError, OSError, OverflowError)
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if _repeated(names, path, problems):
                return None
            coded = codes(names)
            frames = [_piece(file.schema_arrow.empty_table(), names, coded)]
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                batch.validate(full=True)
                frames.append(_piece(batch, names, coded))
        return pl.concat(frames)
    except (*damaged, pl.exceptions.PolarsError) as error:
        fault = (str(error).splitlines() or ["no reason given"])[0]
        mend = "it is damaged, or no Parquet file: write it again"
        problems.add(Problem(path, f"not a readable parquet table: {fault}", mend))
        return None


def _piece(batch: Any, names: Sequence[str], coded: Collection[str]) -> pl.DataFrame:
    """Return a piece of an Arrow table, without metadata: that may be damaged too."""
    import pyarrow as pa

    frame = pl.from_arrow(pa.table(batch.columns, names=names))
    assert isinstance(frame, pl.DataFrame)
    return with_codes(frame, coded)
