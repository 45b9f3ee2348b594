"""Rows of (user, item, ...) into ``Interactions``; what is dropped is counted."""

import polars as pl
import torch

from micrec_pyg.schema import InputError, Interactions, Vocab

POLICIES = ("first", "last", "error")


def to_interactions(
    rows: pl.DataFrame,
    items: pl.Series,
    *,
    rating_min: int | float | None,
    duplicates: str,
) -> tuple[Interactions, dict[str, int]]:
    """Return the indexed interactions and how much each step dropped, by reason.

    Steps, in this order: repeated (user, item) pairs are settled, ratings below the
    threshold go, users left with nothing go. Items always stay. The order of rows is
    kept; users are numbered by first appearance, items as in ``items`` and then by
    first appearance.

    Args:
        rows: columns user, item (strings, no null) and any of rating (Float64),
            time (Int64), part (Int64).
        items: ids of the catalogue, unique; ids that only ``rows`` has are added.
        rating_min: least rating kept; None keeps all.
        duplicates: ``first`` or ``last`` keeps that row of a repeated pair (by time
            where there is one, then by place in the file); ``error`` refuses them.

    Raises:
        InputError: unknown policy, a forbidden duplicate, or nothing is left.
    """
    unique = _settle_duplicates(rows, duplicates)
    kept = unique
    if rating_min is not None:
        kept = unique.filter(pl.col("rating") >= rating_min)
    dropped = {
        "duplicates": rows.height - unique.height,
        "rating_below_min": unique.height - kept.height,
        "users_without_interactions": rows["user"].n_unique() - kept["user"].n_unique(),
    }
    if kept.is_empty():
        raise InputError(
            f"no interaction is left of {rows.height} (dropped: {dropped}); "
            "lower rating_min or give other data"
        )
    users = Vocab(kept["user"].unique(maintain_order=True).rename("user"))
    every = pl.concat([items.cast(pl.String).rename("item"), rows["item"]])
    vocab = Vocab(every.unique(maintain_order=True))
    interactions = Interactions(
        user=users.index(kept["user"]),
        item=vocab.index(kept["item"]),
        users=users,
        items=vocab,
        time=_column(kept, "time"),
        part=_column(kept, "part"),
    )
    return interactions, dropped


def _settle_duplicates(rows: pl.DataFrame, policy: str) -> pl.DataFrame:
    """Return the rows with every (user, item) pair once, in their order."""
    if policy not in POLICIES:
        raise InputError(
            f"duplicates={policy!r} is unknown; valid: {', '.join(POLICIES)}"
        )
    pair = ["user", "item"]
    repeated = rows.select(pair).is_duplicated()
    if not repeated.any():
        return rows
    if policy == "error":
        user, item = rows.select(pair).row(int(repeated.arg_max() or 0))
        raise InputError(
            f"user '{user}' and item '{item}' occur together more than once; "
            "choose duplicates=first or duplicates=last, or clean the data"
        )
    numbered = rows.with_row_index("_place")
    by_time = numbered.sort("time", "_place") if "time" in rows.columns else numbered
    keep = by_time.unique(
        pair, keep="first" if policy == "first" else "last", maintain_order=True
    )
    return keep.sort("_place").drop("_place")


def _column(rows: pl.DataFrame, name: str) -> torch.Tensor | None:
    """Return an integer column as a tensor, None where the data has none."""
    if name not in rows.columns:
        return None
    return torch.from_numpy(rows[name].cast(pl.Int64).to_numpy(writable=True))
