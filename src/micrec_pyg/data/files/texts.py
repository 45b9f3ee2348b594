"""Columns of an items table as text: lists joined, marks of missing values removed."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.columns import plain
from micrec_pyg.data.files.problems import Problem, Problems

MISSING = r"^\s*(?i:nan|null|none|nat|<na>|\\n|n/?a|#n/?a|n\.a\.)\s*$"
"""What programs write where a text is missing."""
_AMOUNTS = {"price", "prices", "unitprice", "listprice", "saleprice", "cost"} | {
    "qty",
    "quantity",
}
"""Names of columns, as ``plain`` has them, that hold amounts also where these are text,
as ``$4.99`` or ``from 3.99``."""
_SHOWN = 5


def text_columns(table: pl.DataFrame) -> list[str]:
    """Return the columns of an items table that hold texts, in their order.

    A column of numbers is none, whether the file has types or not.
    """
    return [
        name
        for name, dtype in table.schema.items()
        if dtype == pl.String
        and name != "item"
        and plain(name) not in _AMOUNTS
        and not _all_numbers(table[name])
    ]


def readable_texts(
    table: pl.DataFrame, keep: Sequence[str], path: Path, problems: Problems
) -> pl.DataFrame:
    """Return a table whose texts can be used: one string per cell, null where missing.

    Lists are joined by blanks. Columns of values that are no text, list or number are
    left out. Both what is left out and what counts as missing are warnings.

    Args:
        table: as it was read.
        keep: columns that stay as they are.
        path: the file, for messages.
        problems: gets the warnings.
    """
    for name in [name for name in table.columns if name not in keep]:
        column = table[name]
        if column.dtype in (pl.List, pl.Array):
            column = _joined(column)
        elif column.dtype in (pl.Categorical, pl.Enum):
            column = column.cast(pl.String)
        if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
            fault = f"it holds values of type {column.dtype} and is left out"
            mend = "write one text or a list of texts per item"
            problems.add(Problem(path, fault, mend, column=name, error=False))
            table = table.drop(name)
            continue
        if column.dtype == pl.String:
            column = _without_marks(column, path, problems)
        table = table.with_columns(column)
    return table


def _joined(column: pl.Series) -> pl.Series:
    """Return lists of plain values as one text each, others as they are."""
    lists = column.arr.to_list() if column.dtype == pl.Array else column
    inner = getattr(lists.dtype, "inner", None)
    if inner is None or inner.is_nested() or inner in (pl.Binary, pl.Object):
        return column
    texts = lists.cast(pl.List(pl.String)).list.eval(
        pl.element().filter(~pl.element().str.contains(MISSING))
    )
    return texts.list.join(" ", ignore_nulls=True).replace("", None)


def _without_marks(column: pl.Series, path: Path, problems: Problems) -> pl.Series:
    """Return texts with null for marks of a missing value; say how many there are."""
    marked = column.str.contains(MISSING).fill_null(False)
    if not marked.any():
        return column
    marks = column.filter(marked).unique().sort().head(_SHOWN)
    shown = ", ".join(repr(mark) for mark in marks)
    fault = f"{int(marked.sum()):,} texts are {shown} and count as missing"
    mend = "leave such cells empty; if one is a real text, write more of it"
    problems.add(Problem(path, fault, mend, column=column.name, error=False))
    return column.set(marked, None)


def _all_numbers(column: pl.Series) -> bool:
    """Return whether there are texts and every one is a number."""
    filled = column.str.strip_chars().replace("", None).drop_nulls()
    numbers = filled.cast(pl.Float64, strict=False)
    return not filled.is_empty() and numbers.is_not_null().all()
