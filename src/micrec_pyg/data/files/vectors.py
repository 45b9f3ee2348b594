"""Precomputed vectors of items: a Parquet file per modality."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.cells import ids
from micrec_pyg.data.files.columns import locate
from micrec_pyg.data.files.problems import STRICT, Problem, Problems
from micrec_pyg.data.files.tables import ROW, add_cells, read_table, require_columns


def read_vectors(
    path: Path, columns: Mapping[str, str] | None, problems: Problems = STRICT
) -> pl.DataFrame | None:
    """Return item and vector (List(Float32), one width) of one modality.

    Rows without a vector are left out: the item does not have the modality. Returns
    None where a fault was noted.

    Args:
        path: a Parquet file with the columns item and vector.
        columns: role -> column, see ``columns.locate``.
        problems: where to note what is wrong; by default it is raised.

    Raises:
        InputError: a column is missing, or vectors are repeated, not finite, or not
            of one width.
    """
    table = read_table(path, problems)
    if table is None:
        return None
    found = [name for name in table.columns if name not in (ROW, "vector")]
    item = locate(found, ["item"], columns, path, problems).get("item", "item")
    if item in found and item != "item":
        table = table.drop("item", strict=False).rename({item: "item"})
    if not require_columns(table.columns, ["item", "vector"], path, problems):
        return None
    table = table.with_columns(ids(table, "item", path, problems))
    cast = _numbers(table["vector"])
    if cast is None:
        fault = f"got {table['vector'].dtype}, needed: a list of numbers per row"
        problems.add(Problem(path, fault, "write one list per item", column="vector"))
        return None
    table = table.select(ROW, "item", cast).drop_nulls("vector")
    before = problems.errors
    _check(table, path, problems)
    return table.drop(ROW).drop_nulls() if problems.errors == before else None


def without_zeros(
    table: pl.DataFrame, path: Path, problems: Problems = STRICT
) -> pl.DataFrame | None:
    """Return the items with a vector that is not zero throughout; None without any.

    A vector of zeros is like nothing. How many there are is a warning; the table itself
    comes back where there are none.

    Args:
        table: item and vector.
        path: the file, for messages.
        problems: gets the warning.
    """
    filled = table["vector"].list.eval(pl.element() != 0).list.any()
    if filled.all():
        return table
    if not filled.any():
        fault = "every vector is zero: the modality is left out"
        mend = "write the vectors again, or remove the file"
        problems.add(Problem(path, fault, mend, column="vector", error=False))
        return None
    item = table["item"].filter(~filled)
    fault = f"{len(item):,} items have a vector of zeros, such as '{item[0]}'"
    mend = "they count as items without one; leave them out to say so"
    problems.add(Problem(path, fault, mend, column="vector", error=False))
    return table.filter(filled)


def _numbers(vectors: pl.Series) -> pl.Series | None:
    """Return the vectors as List(Float32), None where they are no lists of numbers."""
    inner = getattr(vectors.dtype, "inner", None)
    if inner is None or not inner.is_numeric():
        return None
    # a value beyond Float32 becomes infinite and is refused as such
    return vectors.cast(pl.List(pl.Float32), strict=False)


def _check(table: pl.DataFrame, path: Path, problems: Problems) -> None:
    """Note repeated items, unequal widths and values that are not finite."""
    repeated = ~table["item"].is_first_distinct() & table["item"].is_not_null()
    need = "an item with several vectors; one is needed"
    add_cells(table, table["item"], repeated, path, problems, need=need)
    widths = table["vector"].list.len().rename("width of vector")
    sizes = widths.unique().sort().to_list()
    if len(sizes) != 1 or sizes == [0]:
        usual = max(widths.mode().to_list(), default=0)
        fault = f"vectors have the widths {sizes[:5]}; one is needed"
        mend = "write vectors of one model with one width"
        problems.add(Problem(path, fault, mend, column="vector"))
        odd = (widths != usual).fill_null(True)
        add_cells(table, widths, odd, path, problems, need=f"most have {usual}")
    finite = table["vector"].list.eval(pl.element().is_finite().fill_null(False))
    bad = ~finite.list.all().fill_null(False)
    need = "whose vector is not finite; leave out items without a vector"
    add_cells(table, table["item"], bad, path, problems, need=need)
