"""Checks of the files themselves, before the reader settles what is repeated."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.audit.finding import PAIR, Finding, examples
from micrec_pyg.data.files.columns import locate
from micrec_pyg.data.files.problems import Problems
from micrec_pyg.data.files.table_names import find_table
from micrec_pyg.data.files.tables import read_table
from micrec_pyg.schema import DomainCatalogue

MOST = 0.5
FIT, COVER = 0.99, 0.75
"""Users fit the items table exactly above FIT, items do not below COVER."""


def check_folder(
    folder: Path, columns: Mapping[str, str] | None, *, ready: bool
) -> Iterator[Finding]:
    """Return what one domain folder of the own-catalogue format repeats or swaps.

    Args:
        folder: Holds an interactions table that the reader accepts.
        columns: Role -> column, as the reader has it.
        ready: Whether the column ``x_label`` decides the split.
    """
    rows = _ids(folder, "interactions", ("user", "item"), columns)
    if rows is None:
        return
    if not ready:
        rows = rows.with_columns(pl.lit(None, pl.String).alias("x_label"))
    yield from _repeated(folder.name, rows)
    items = _ids(folder, "items", ("item",), columns)
    if items is not None:
        yield from _swapped(folder.name, rows, items["item"])


def check_dropped(catalogues: Mapping[str, DomainCatalogue]) -> Iterator[Finding]:
    """Return what the reader said of repeated pairs, where no file is looked at."""
    for name, catalogue in catalogues.items():
        count = catalogue.dropped.get("duplicates", 0)
        if count:
            message = "rows repeat a pair; the option duplicates decides which counts"
            yield Finding("duplicates", False, name, count, message)


def _ids(
    folder: Path, stem: str, roles: Sequence[str], columns: Mapping[str, str] | None
) -> pl.DataFrame | None:
    """Return the raw ids of a table and its x_label, None where there is no table."""
    path = find_table(folder, stem)
    table = None if path is None else read_table(path)
    if path is None or table is None:
        return None
    wanted = [*roles, "x_label"]
    # the reader has warned of guesses already
    found = locate(table.columns, wanted, columns, path, Problems(limit=0))
    rows = table.select(
        pl.col(col).cast(pl.String).alias(r) for r, col in found.items()
    )
    if "x_label" in found:
        return rows
    return rows.with_columns(pl.lit(None, pl.String).alias("x_label"))


def _repeated(where: str, rows: pl.DataFrame) -> Iterator[Finding]:
    pairs = rows.group_by("user", "item", maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("x_label").unique().sort()
    )
    several = pl.col("x_label").list.len() > 1
    overlap = pairs.filter(several)
    if overlap.height:
        yield Finding(
            check="overlap",
            error=True,
            where=where,
            count=overlap.height,
            message="pairs have several values of x_label; the reader keeps one row "
            "of each, so the split is not the one that the file describes",
            examples=examples(
                overlap,
                pl.format(
                    "user {}, item {}: x_label {}",
                    *("user", "item", pl.col("x_label").list.join(" + ")),
                ),
            ),
        )
    repeated = pairs.filter((pl.col("rows") > 1) & ~several)
    if repeated.height:
        yield Finding(
            check="duplicates",
            error=False,
            where=where,
            count=repeated.height,
            message="pairs stand in several rows; the option duplicates decides which "
            "row counts",
            examples=examples(repeated, PAIR),
        )


def _swapped(where: str, rows: pl.DataFrame, listed: pl.Series) -> Iterator[Finding]:
    """Return a finding if the items table lists the users rather than the items."""
    users, items = rows["user"].unique(maintain_order=True), rows["item"].unique()
    known = pl.Series("id", listed).unique()
    as_user = int(users.is_in(known.implode()).sum())
    as_item = int(items.is_in(known.implode()).sum())
    listing = as_user > MOST * len(users) and as_item <= MOST * len(items)
    # plain numbers are in every list: then only an exact fit of the users tells
    exact = as_user > FIT * max(len(users), len(known))
    if not listing and not (exact and as_item <= COVER * len(known)):
        return
    yield Finding(
        check="swapped_columns",
        error=True,
        where=where,
        count=len(users),
        message=f"of {len(users)} users {as_user} are among the {len(known)} ids of "
        f"the items table, of {len(items)} items {as_item}: user and item columns are "
        "exchanged",
        examples=tuple(f"user {raw}" for raw in users.head(3)),
    )
