"""Columns of tables as times in Unix seconds; what cannot be one is noted."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.cells import (
    is_number_or_text,
    stripped,
    whole_numbers,
    wrong_type,
)
from micrec_pyg.data.files.problems import STRICT, Problem, Problems
from micrec_pyg.data.files.tables import add_cells

LAST_SECOND = 4_102_444_800
"""Unix seconds of 2100-01-01; later times are impossible."""
_MOMENT = r"^(\S+(?: \d\d:\d\d\S*?)?) ?(?:Z|([+-])(\d\d):?(\d\d))?$"
"""A day, perhaps with a time, and its distance from UTC."""
_UNITS = ((10**17, 10**9, "nano"), (10**14, 10**6, "micro"), (10**11, 10**3, "milli"))
"""Least value that can be no coarser unit, ticks per second, name."""


def seconds(
    frame: pl.DataFrame, column: str, path: Path, problems: Problems = STRICT
) -> pl.Series:
    """Return a column of times in Unix seconds (Int64), null where there is none.

    Numbers are seconds since 1970; a column whose least value is past the year 5000
    is read as milli-, micro- or nanoseconds, with a warning. Dates are those of typed
    columns, or ISO texts (``2016-05-31``, ``2016-05-31T12:00:00``), in UTC where no
    offset (``+02:00``) stands behind them. Fractions of a second are cut, with a
    warning.

    Raises:
        InputError: a value is missing, no time, or impossible; its line is named.
    """
    raw = frame[column]
    if raw.dtype in (pl.Date, pl.Datetime):
        moments = raw if raw.dtype == pl.Datetime else raw.cast(pl.Datetime("us"))
        ticks, cut = moments.dt.epoch("s"), has_fraction(moments)
    elif is_number_or_text(raw):
        ticks, cut = _in_seconds(raw, column, path, problems)
        if raw.dtype == pl.String:
            iso, cut_of_iso = _iso(raw)
            ticks, cut = ticks.fill_null(iso), cut | cut_of_iso
    else:
        problems.add(wrong_type(raw, path, "times are needed"))
        return pl.Series(column, [None] * len(raw), dtype=pl.Int64)
    need = (
        "a time is needed: Unix seconds, 2016-05-31, 2016-05-31T12:00:00 (UTC) or "
        "2016-05-31T12:00:00+02:00"
    )
    add_cells(frame, raw, ticks.is_null(), path, problems, need=need)
    impossible = ~ticks.is_between(0, LAST_SECOND).fill_null(True)
    need = "an impossible date: needed are Unix seconds from 1970 to 2100"
    mend = "correct the time; a column of mere order is called order"
    add_cells(frame, raw, impossible, path, problems, need=need, mend=mend)
    tell_cut(cut, path, problems)
    return ticks.set(impossible, None)


def has_fraction(moments: pl.Series) -> pl.Series:
    """Return which of some moments (Datetime) have a fraction of a second."""
    return (moments.dt.nanosecond() != 0).fill_null(False)


def tell_cut(cut: pl.Series, path: Path, problems: Problems = STRICT) -> None:
    """Warn of fractions of a second that are cut, if there are any.

    Args:
        cut: which times have one; called as their column.
        path: the file.
        problems: gets the warning.
    """
    if count := int(cut.sum()):
        fault = (
            f"{count:,} times have fractions of a second, which are cut: rows of one "
            "second count as simultaneous"
        )
        mend = "if their order matters, write a column order in place of the times"
        problems.add(Problem(path, fault, mend, column=cut.name, error=False))


def checked_guess(
    table: pl.DataFrame,
    located: Mapping[str, str],
    columns: Mapping[str, str] | None,
    path: Path,
    problems: Problems,
) -> dict[str, str]:
    """Return the columns by role, less one whose name alone looks like a time.

    A shop's column of dates may be in any form. Where its user has not said that it
    is the time and no cell can be read as one, the table is read without times.
    """
    name = located.get("timestamp", "timestamp")
    asked = name in ("timestamp", (columns or {}).get("timestamp"))
    if asked or not is_number_or_text(table[name]):
        return dict(located)
    raw = table[name]
    ticks = whole_numbers(raw, cut=True)
    ticks = ticks.fill_null(_iso(raw)[0]) if raw.dtype == pl.String else ticks
    if ticks.is_not_null().any() or raw.is_empty():
        return dict(located)
    fault = f"its name is that of a time, but it holds {raw[0]!r} and is left out"
    mend = "write Unix seconds, or dates as 2016-05-31"
    problems.add(Problem(path, fault, mend, column=name, error=False))
    return {role: n for role, n in located.items() if role != "timestamp"}


def _in_seconds(
    raw: pl.Series, column: str, path: Path, problems: Problems
) -> tuple[pl.Series, pl.Series]:
    """Return numbers of any unit in seconds, and which had a fraction of one.

    A warning tells if they are in another unit.
    """
    ticks = whole_numbers(raw, cut=True)
    number = stripped(raw).cast(pl.Float64, strict=False)
    cut = (number != number.floor()).fill_null(False)
    least = ticks.min()
    for start, per_second, name in _UNITS:
        if isinstance(least, int) and least >= start:
            unit = f"{name}seconds since 1970"
            problems.add(
                Problem(
                    path,
                    f"the times are {unit} by their size, and are read as such",
                    "if they are not, correct them",
                    column=column,
                    error=False,
                )
            )
            cut |= (ticks % per_second != 0).fill_null(False)
            return ticks // per_second, cut
    return ticks, cut


def _iso(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return ISO dates and times as Unix seconds, and which had a fraction of one.

    Null, and without a fraction, where a text is none.
    """
    parts = stripped(raw).str.replace("T", " ").str.extract_groups(_MOMENT)
    text, sign, hours, minutes = (parts.struct.field(n) for n in parts.struct.fields)
    offset = 60 * hours.cast(pl.Int64) + minutes.cast(pl.Int64)
    offset = (60 * offset * (1 - 2 * (sign == "-").cast(pl.Int64))).fill_null(0)
    moment = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False)
    for shape in ("%Y-%m-%d %H:%M", "%Y-%m-%d"):
        moment = moment.fill_null(text.str.to_datetime(shape, strict=False))
    return moment.dt.epoch("s") - offset, has_fraction(moment)
