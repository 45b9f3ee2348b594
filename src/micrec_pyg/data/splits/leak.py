"""How far known interactions reach into the future of hidden ones.

Known at a test are train, support and validation edges; known at validation are the
training edges and the support that the split gives to it. An edge is late if its time
is greater than that of a hidden edge; equal times are in order.

A protocol states with ``promises`` the worst class that it permits itself.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import partial
from typing import TypeVar

import polars as pl


class LeakClass(IntEnum):
    """What is known of the future of a test edge, from nothing to the edge itself."""

    NONE = 0
    """Every known edge of every domain is at least as old as every test edge."""
    GLOBAL_FUTURE = 1
    """Later edges of other users are known."""
    CROSS_DOMAIN_FUTURE = 2
    """The user's own later edges in another domain are known."""
    USER_FUTURE = 3
    """The user's own later edges in the same domain are known."""
    OVERLAP = 4
    """The test edge itself is known."""

    @property
    def label(self) -> str:
        """Return the name that users read and write."""
        return self.name.lower()


STAGES = (
    ("test", ("train", "support", "val_support", "val")),
    ("val", ("train", "val_support")),
)
"""Hidden parts, and the parts that are known when they are ranked."""


Protocol = TypeVar("Protocol", bound=Callable[..., object])


def promises(claim: LeakClass) -> Callable[[Protocol], Protocol]:
    """Return a decorator that notes the worst class that a protocol permits itself."""

    def note(protocol: Protocol) -> Protocol:
        protocol.claim = claim  # type: ignore[attr-defined]
        return protocol

    return note


def claim_of(protocol: Callable[..., object]) -> LeakClass | None:
    """Return what a protocol promises, also one with options; None if nothing."""
    while isinstance(protocol, partial):
        protocol = protocol.func
    claim: LeakClass | None = getattr(protocol, "claim", None)
    return claim


def measured_class(table: pl.DataFrame) -> LeakClass | None:
    """Return the leak class of the test edges, None if no domain has times.

    Args:
        table: An ``edge_table``.
    """
    hidden, known = edges_of_stage(table, *STAGES[0])
    if table["time"].is_null().all():
        return None
    own = late_of_user(hidden, known)
    if own.filter(~pl.col("elsewhere")).height:
        return LeakClass.USER_FUTURE
    if own.height:
        return LeakClass.CROSS_DOMAIN_FUTURE
    if late_of_anyone(hidden, known).height:
        return LeakClass.GLOBAL_FUTURE
    return LeakClass.NONE


def edges_of_stage(
    table: pl.DataFrame, hidden: str, known: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the hidden and the known edges that have a time."""
    timed = table.filter(pl.col("time").is_not_null())
    return (
        timed.filter(pl.col("part") == hidden),
        timed.filter(pl.col("part").is_in(known)),
    )


def late_of_user(hidden: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return known edges later than a hidden one of the same user.

    Further columns: hidden_domain, first (the earliest hidden time there) and
    elsewhere (whether that is another domain).
    """
    first = hidden.group_by("user", pl.col("domain").alias("hidden_domain")).agg(
        pl.col("time").min().alias("first")
    )
    return _late(known.join(first, on="user", maintain_order="left"))


def late_of_anyone(hidden: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return known edges later than a hidden one of anybody, see ``late_of_user``."""
    first = hidden.group_by(pl.col("domain").alias("hidden_domain")).agg(
        pl.col("time").min().alias("first")
    )
    return _late(known.join(first, how="cross", maintain_order="left"))


def _late(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the known edges that are late, once per kind of place."""
    return (
        pairs.filter(pl.col("time") > pl.col("first"))
        .with_columns(elsewhere=pl.col("domain") != pl.col("hidden_domain"))
        .unique(["domain", "user", "item", "elsewhere"], maintain_order=True)
    )
