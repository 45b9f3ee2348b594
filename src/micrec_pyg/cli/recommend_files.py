"""The files of ``micrec recommend``: what is wrong is told by file, line and column."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.cells import ids, is_of_ids, wrong_type
from micrec_pyg.data.files.problems import STRICT, Problem
from micrec_pyg.data.files.separated import delimiter_hint
from micrec_pyg.data.files.tables import ROW, add_cells, read_table
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.schema import InputError

DOMAIN = "domain"
_NEVER_ASKED = (pl.Duration, pl.Binary, pl.Object)
"""Types of cells without a text that one could write in a condition."""


def read_users(rec: Recommender, path: Path) -> pl.Series:
    """Return the users of a file, each once.

    Raises:
        InputError: One is unknown in all domains, or the file cannot be read.
    """
    table = _table(path, ["user"])
    known = pl.concat([rec.users(name) for name in rec.domains])
    _refuse(table, "user", known, path, "which the run does not know")
    return table["user"].unique(maintain_order=True)


def read_candidates(
    rec: Recommender, domain: str, path: Path, where: Sequence[str] = ()
) -> pl.Series:
    """Return the items of a file.

    Args:
        rec: Knows the items.
        domain: Of the items.
        path: The file.
        where: Conditions COLUMN=VALUE on its rows; of one column any may hold, and
            those of all columns must.

    Raises:
        InputError: An item is unknown, no row is left, or the file cannot be read.
    """
    table = _table(path, ["item"])
    if table.is_empty():
        raise InputError(f"{path}: it has no rows; give one per item to choose from")
    table = _rows_where(table, path, where)
    _refuse(table, "item", rec.items(domain), path, f"which {domain} does not have")
    return table["item"]


def read_history(rec: Recommender, domain: str, path: Path) -> pl.DataFrame:
    """Return user, item and domain of people; a null item says that there is none.

    Args:
        rec: Knows the items.
        domain: Of a file without a column domain, if there is only one.
        path: The file.

    Raises:
        InputError: A domain or an item is unknown, or the file cannot be read.
    """
    several = len(rec.domains) > 1
    table = _table(path, ["user"], ["item", *([DOMAIN] if several else [])])
    table = _with_domain(rec, table, domain, path)
    _refuse_unknown(rec, table.filter(pl.col("item").is_not_null()), path)
    return table.select("user", "item", DOMAIN)


def read_interactions(rec: Recommender, domain: str, path: Path) -> pl.DataFrame:
    """Return user, item and domain of new interactions.

    Args:
        rec: Knows the items.
        domain: Of a file without a column domain.
        path: The file.

    Raises:
        InputError: A domain or an item is unknown, or the file cannot be read.
    """
    table = _with_domain(rec, _table(path, ["user", "item"]), domain, path)
    _refuse_unknown(rec, table, path)
    return table.select("user", "item", DOMAIN)


def read_items(rec: Recommender, domain: str, path: Path) -> pl.DataFrame:
    """Return new items of a domain, with the columns of their content.

    Raises:
        InputError: One is known already or stands there twice, or the file cannot be
            read.
    """
    table = _table(path, ["item"])
    known = table["item"].is_in(rec.items(domain).implode())
    again = ~table["item"].is_first_distinct()
    for bad, need in (
        (known, f"which {domain} has already; leave it out"),
        (again, "which stands there twice; leave one out"),
    ):
        add_cells(table, table["item"], bad, path, STRICT, need=need)
    return table.drop(ROW)


def _rows_where(table: pl.DataFrame, path: Path, where: Sequence[str]) -> pl.DataFrame:
    """Return the rows of which the conditions hold."""
    wanted: dict[str, list[str]] = {}
    for condition in where:
        column, equals, value = condition.partition("=")
        if not equals:
            raise InputError(f"--where {condition}: give COLUMN=VALUE")
        wanted.setdefault(column, []).append(value)
    for column, values in wanted.items():
        columns = [name for name in table.columns if name != ROW]
        if column not in columns:
            raise InputError(
                f"--where {column}={values[0]}: {path} has the columns "
                f"{', '.join(columns)}"
            )
        cells = _texts(table[column], path)
        holds = cells.list.eval(pl.element().is_in(values)).list.any().fill_null(False)
        if not holds.any():
            some = ", ".join(cells.explode().drop_nulls().unique().sort().head(10))
            raise InputError(
                f"--where {column}={values[0]}: no row of {path} has that; there are "
                f"{some}"
            )
        table = table.filter(holds)
    return table


def _texts(cells: pl.Series, path: Path) -> pl.Series:
    """Return the values of every cell as a list of texts.

    Raises:
        InputError: They are neither values nor lists of values.
    """
    given = cells.dtype
    if given == pl.Array:
        cells = cells.arr.to_list()
    elif given != pl.List:
        cells = cells.reshape((-1, 1)).arr.to_list() if len(cells) else cells.implode()
    inner = getattr(cells.dtype, "inner", None)
    if inner is None or inner.is_nested() or inner in _NEVER_ASKED:
        raise InputError(
            f"--where {cells.name}=...: {path} has {given} there; give a column of "
            "texts, numbers, dates or truth values, or of lists of them"
        )
    return cells.list.eval(pl.element().cast(pl.String).str.strip_chars())


def _table(path: Path, needed: Sequence[str], may: Sequence[str] = ()) -> pl.DataFrame:
    """Return a table with columns of ids, and others as they are.

    Args:
        path: The file.
        needed: Columns in which every row has an id.
        may: Columns in which a row may have none.

    Raises:
        InputError: The file cannot be read, or lacks a column or an id.
    """
    table = read_table(path, STRICT)
    assert table is not None  # errors are raised
    found = [name for name in table.columns if name != ROW]
    missing = [name for name in (*needed, *may) if name not in found]
    if missing:
        fault = f"column {', '.join(missing)} is missing; found: {', '.join(found)}"
        mend = delimiter_hint(found, path) or "rename the one that holds it"
        STRICT.add(Problem(path, fault, mend, place="line 1"))
    table = table.with_columns(ids(table, name, path) for name in needed)
    return table.with_columns(_ids_or_null(table[name], path) for name in may)


def _ids_or_null(column: pl.Series, path: Path) -> pl.Series:
    """Return ids as texts; what they name is checked elsewhere."""
    if not is_of_ids(column):
        STRICT.add(wrong_type(column, path, "needed: texts or whole numbers"))
    return column.cast(pl.String)


def _with_domain(
    rec: Recommender, table: pl.DataFrame, domain: str, path: Path
) -> pl.DataFrame:
    """Return a table with a column domain: its own, or one domain for all rows.

    An empty cell means the only domain, where there is only one.
    """
    if DOMAIN not in table.columns:
        return table.with_columns(pl.lit(domain).alias(DOMAIN))
    names = _ids_or_null(table[DOMAIN], path)
    return table.with_columns(
        names if len(rec.domains) > 1 else names.fill_null(domain)
    )


def _refuse_unknown(rec: Recommender, table: pl.DataFrame, path: Path) -> None:
    """Refuse the first domain that is not known, and the first item."""
    names = pl.Series(rec.domains)
    _refuse(table, DOMAIN, names, path, f"needed: one of {', '.join(rec.domains)}")
    for name in rec.domains:
        mine = table.filter(pl.col(DOMAIN) == name)
        _refuse(mine, "item", rec.items(name), path, f"which {name} does not have")


def _refuse(
    table: pl.DataFrame, column: str, known: pl.Series, path: Path, need: str
) -> None:
    """Refuse the first cell that is not known."""
    bad = ~table[column].is_in(known.implode()).fill_null(False)
    add_cells(table, table[column], bad, path, STRICT, need=need)
