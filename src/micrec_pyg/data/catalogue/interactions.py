"""Rows of (user, item, ...) in raw ids into indexed ``Interactions``."""

import polars as pl
import torch

from micrec_pyg.schema import Interactions, Vocab

ORDER_SEED = 0
"""Of the random order that numbers the ids: the same one in every run."""


def list_items(rows: pl.DataFrame, items: pl.Series) -> pl.Series:
    """Return the items of a catalogue: those listed, then those of ``rows`` alone.

    Args:
        rows: has a column item (strings or Categorical, no null).
        items: ids that are listed, unique.

    Returns:
        Strings.
    """
    touched = rows["item"].unique(maintain_order=True)
    every = [each.cast(pl.String).rename("item") for each in (items, touched)]
    return pl.concat(every).unique(maintain_order=True)


def to_interactions(rows: pl.DataFrame, items: pl.Series) -> Interactions:
    """Return the indexed interactions, in the order of the rows.

    Users and items are numbered by ``make_vocabulary``.

    Args:
        rows: unique pairs: user, item (strings or Categorical, no null) and any of
            time (Int64), part (Int64).
        items: all items of the catalogue, unique.
    """
    users, every = make_vocabulary(rows["user"].unique()), make_vocabulary(items)
    return Interactions(
        user=_places(rows["user"], users.ids),
        item=_places(rows["item"], every.ids),
        users=users,
        items=every,
        time=_column(rows, "time"),
        part=_column(rows, "part"),
    )


def make_vocabulary(ids: pl.Series) -> Vocab:
    """Return ids in a random order that depends on nothing but the set of ids.

    So the order of a file's lines changes no result. And any stretch of rows has its
    share of popular nodes, which files often list first: threads that divide a sparse
    product by rows have equal work.

    Args:
        ids: unique, no null.
    """
    generator = torch.Generator().manual_seed(ORDER_SEED)
    order = torch.randperm(len(ids), generator=generator)
    return Vocab(ids.cast(pl.String).sort().gather(order.numpy()))


def _places(raw: pl.Series, ids: pl.Series) -> torch.Tensor:
    """Return the place in ``ids`` of every raw id, by the codes of the categories."""
    # both are alive here, so that they share one set of codes
    asked, known = raw.cast(pl.Categorical), ids.cast(pl.Categorical)
    places = pl.int_range(len(ids), dtype=pl.Int64, eager=True)
    found = asked.to_physical().replace_strict(
        known.to_physical(), places, return_dtype=pl.Int64
    )
    return torch.from_numpy(found.to_numpy(writable=True))


def _column(rows: pl.DataFrame, name: str) -> torch.Tensor | None:
    """Return an integer column as a tensor, None where the data has none."""
    if name not in rows.columns:
        return None
    return torch.from_numpy(rows[name].cast(pl.Int64).to_numpy(writable=True))
