"""Columns of an items table as text: lists are several, marks of missing ones go."""

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
HOLD_TEXTS = (pl.String, pl.List(pl.String))
"""Types of columns that hold texts, after ``readable_texts``."""
_SHOWN = 5


def text_columns(table: pl.DataFrame) -> list[str]:
    """Return the columns of an items table that hold texts, in their order.

    A column of numbers is none, whether the file has types or not, nor is one of lists
    of numbers.
    """
    return [
        name
        for name, dtype in table.schema.items()
        if dtype in HOLD_TEXTS
        and name != "item"
        and plain(name) not in _AMOUNTS
        and not _all_numbers(one_text(table[name]))
    ]


def one_text(column: pl.Series) -> pl.Series:
    """Return one text per cell: lists joined by blanks, null where they are empty."""
    if column.dtype != pl.List:
        return column.cast(pl.String)
    texts = column.cast(pl.List(pl.String))
    return texts.list.join(" ", ignore_nulls=True).replace("", None)


def readable_texts(
    table: pl.DataFrame, keep: Sequence[str], path: Path, problems: Problems
) -> pl.DataFrame:
    """Return a table whose texts can be used: null or left out where one is missing.

    Columns of values that are no text, list or number are left out. Warnings tell what
    is left out, which lists are no texts, and what counts as missing.

    Args:
        table: as it was read.
        keep: columns that stay as they are.
        path: the file, for messages.
        problems: gets the warnings.
    """
    for name in [name for name in table.columns if name not in keep]:
        column = _plain_type(table[name])
        inner = getattr(column.dtype, "inner", column.dtype)
        if inner.is_nested() or inner in (pl.Binary, pl.Object):
            fault = f"it holds values of type {column.dtype} and is left out"
            mend = "write one text or a list of texts per item"
            problems.add(Problem(path, fault, mend, column=name, error=False))
            table = table.drop(name)
            continue
        if column.dtype == pl.String:
            column = _without_marks(column, path, problems)
        elif column.dtype == pl.List(pl.String):
            column = column.list.eval(
                pl.element().filter(~pl.element().str.contains(MISSING))
            )
        elif column.dtype == pl.List:
            kind = "numbers" if inner.is_numeric() else inner
            fault = f"it holds lists of {kind}, which are no texts"
            mend = (
                "vectors go into <modality>.parquet, columns item and vector; "
                "data.text_fields can name it as a text all the same"
            )
            problems.add(Problem(path, fault, mend, column=name, error=False))
        table = table.with_columns(column)
    return table


def _plain_type(column: pl.Series) -> pl.Series:
    """Return a column with texts for categories, and lists for arrays and no values."""
    if column.dtype == pl.Array:
        column = column.arr.to_list()
    if column.dtype in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    inner = getattr(column.dtype, "inner", None)
    if inner is not None and inner in (pl.Categorical, pl.Enum, pl.Null):
        return column.cast(pl.List(pl.String))
    return column


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
