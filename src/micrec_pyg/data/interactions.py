"""Rows of (user, item, ...) in raw ids into indexed ``Interactions``."""

import polars as pl
import torch

from micrec_pyg.schema import Interactions, Vocab


def all_items(rows: pl.DataFrame, items: pl.Series) -> pl.Series:
    """Return the items of a catalogue: those listed, then those of ``rows`` alone.

    Args:
        rows: has a column item (strings, no null).
        items: ids that are listed, unique.
    """
    every = pl.concat([items.cast(pl.String).rename("item"), rows["item"]])
    return every.unique(maintain_order=True)


def to_interactions(rows: pl.DataFrame, items: pl.Series) -> Interactions:
    """Return the indexed interactions, in the order of the rows.

    Users are numbered by first appearance, items as in ``items``.

    Args:
        rows: unique pairs: user, item (strings, no null) and any of time (Int64),
            part (Int64).
        items: all items of the catalogue, unique.
    """
    users = Vocab(rows["user"].unique(maintain_order=True))
    vocab = Vocab(items.rename("item"))
    return Interactions(
        user=users.index(rows["user"]),
        item=vocab.index(rows["item"]),
        users=users,
        items=vocab,
        time=_column(rows, "time"),
        part=_column(rows, "part"),
    )


def _column(rows: pl.DataFrame, name: str) -> torch.Tensor | None:
    """Return an integer column as a tensor, None where the data has none."""
    if name not in rows.columns:
        return None
    return torch.from_numpy(rows[name].cast(pl.Int64).to_numpy(writable=True))
