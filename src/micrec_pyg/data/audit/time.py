"""Leak classes: how far known interactions reach into the future of hidden ones.

All functions take a ``splits.edge_table``; what is known when, and what late means, is
said in ``splits.leak``.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from micrec_pyg.data.audit.finding import Finding, by_domain, examples
from micrec_pyg.data.splits.leak import (
    STAGES,
    LeakClass,
    edges_of_stage,
    late_of_anyone,
    late_of_user,
)

SAME_UNIT = 20
"""Medians further apart than this factor are not of one unit: seconds of any two
decades differ by less than 3, milliseconds and seconds by 1000."""
MOST = 0.5

USER = pl.format("user {}", "user")
"""Describes a row with a user."""


def check_future(table: pl.DataFrame, claim: LeakClass) -> list[Finding]:
    """Return the late edges that the protocol promises not to have.

    Args:
        table: An ``edge_table``.
        claim: The worst class that the protocol permits.
    """
    found = []
    for hidden_part, known_parts in STAGES:
        hidden, known = edges_of_stage(table, hidden_part, known_parts)
        if claim < LeakClass.GLOBAL_FUTURE:
            late, whom = late_of_anyone(hidden, known), "somebody's"
        else:
            late, whom = late_of_user(hidden, known), "the same user's"
        names = ["future_edges"] if claim < LeakClass.USER_FUTURE else []
        if claim < LeakClass.CROSS_DOMAIN_FUTURE:
            names.append("cross_domain_future")
        for name in names:
            elsewhere = name == "cross_domain_future"
            place = " in another domain" if elsewhere else ""
            found += by_domain(
                name,
                late.filter(pl.col("elsewhere") == elsewhere),
                f"known edges are later than {whom} {hidden_part} edge{place}",
                pl.format(
                    "user {}, item {} ({}) at {}: " + hidden_part + " in {} from {} on",
                    *("user", "item", "part", "time", "hidden_domain", "first"),
                ),
                error=True,
            )
    return found


def check_clock(
    table: pl.DataFrame, claim: LeakClass, clocks: Mapping[str, str | None]
) -> list[Finding]:
    """Return what is odd about the times themselves.

    Args:
        table: An ``edge_table``.
        claim: The worst class that the protocol permits.
        clocks: What the times of each domain are: ``timestamp``, ``order`` or None.
    """
    timed = table.filter(pl.col("time").is_not_null())
    if timed.is_empty():
        return []
    found = [*_equal(timed, claim), *_units(timed, claim, clocks)]
    if "timestamp" not in clocks.values():
        found += _user_clock(timed)
    return found


def inferred_claim(table: pl.DataFrame) -> LeakClass:
    """Return what a split of unknown origin seems to promise.

    Divided by one global cut, if that misplaces less than 5 % of the smaller side.
    Divided by each user's time, if at least 80 % of the users are in order, and more
    than half of those whom chance would leave in disorder. Else nothing.
    """
    hidden, known = edges_of_stage(table, *STAGES[0])
    if hidden.is_empty() or known.is_empty():
        return LeakClass.USER_FUTURE
    if _misplaced(hidden, known) < 0.05:
        return LeakClass.NONE
    users = (
        known.group_by("domain", "user")
        .agg(pl.len().alias("a"), pl.col("time").max().alias("last"))
        .join(
            hidden.group_by("domain", "user").agg(
                pl.len().alias("b"), pl.col("time").min().alias("first")
            ),
            on=["domain", "user"],
        )
    )
    # of the C(a+b, b) ways to hide b of a+b edges one is in order: at most 1/(a+b)
    chance = (1 / (users["a"] + users["b"])).mean()
    in_order = (users["last"] <= users["first"]).mean()
    if not isinstance(chance, float) or not isinstance(in_order, float):
        return LeakClass.USER_FUTURE  # nobody has both known and hidden edges
    if in_order >= max(0.8, (1 + chance) / 2):
        return LeakClass.CROSS_DOMAIN_FUTURE
    return LeakClass.USER_FUTURE


def _misplaced(hidden: pl.DataFrame, known: pl.DataFrame) -> float:
    """Return the share of edges on the wrong side of the best single cut."""
    rows = pl.concat([hidden.with_columns(h=1), known.with_columns(h=0)])
    steps = rows.group_by("time").agg(
        pl.col("h").sum(), (1 - pl.col("h")).sum().alias("k")
    )
    # a cut after each time: hidden edges up to it and known edges after it are wrong
    steps = steps.sort("time").with_columns(pl.col("h", "k").cum_sum())
    wrong = steps.select((pl.col("h") + known.height - pl.col("k")).min()).item()
    return float(wrong) / min(hidden.height, known.height)


def _equal(timed: pl.DataFrame, claim: LeakClass) -> Iterator[Finding]:
    users = (
        timed.group_by("domain", "user", maintain_order=True)
        .agg(pl.len().alias("edges"), pl.col("time").n_unique().alias("times"))
        .filter(pl.col("edges") > 1)
    )
    for (domain,), rows in users.group_by("domain", maintain_order=True):
        equal = rows.filter(pl.col("times") == 1)
        if equal.is_empty():
            continue
        share = equal.height / rows.height
        yield Finding(
            check="equal_times",
            error=share > MOST and claim < LeakClass.USER_FUTURE,
            where=str(domain),
            count=equal.height,
            message=f"users ({share:.1%} of those with several interactions) have one "
            "time for all of them: their order is arbitrary",
            examples=examples(equal, USER),
        )


def _units(
    timed: pl.DataFrame, claim: LeakClass, clocks: Mapping[str, str | None]
) -> Iterator[Finding]:
    indifferent = claim >= LeakClass.CROSS_DOMAIN_FUTURE
    kinds = {name: kind for name, kind in sorted(clocks.items()) if kind is not None}
    if len(set(kinds.values())) > 1:
        yield Finding(
            check="time_units",
            error=not indifferent,
            where=" + ".join(kinds),
            count=1,
            message="the times of the domains are of different kinds and cannot be "
            "compared",
            examples=tuple(f"{name}: {kind}" for name, kind in kinds.items()),
        )
        return
    medians = (
        timed.group_by("domain")
        .agg(pl.col("time").median().alias("median"))
        .sort("median")
    )
    low, high = medians.row(0), medians.row(-1)
    if high[1] > SAME_UNIT * (low[1] + 1):
        yield Finding(
            check="time_units",
            error=not indifferent,
            where=f"{low[0]} + {high[0]}",
            count=1,
            message=f"half of the times are below {low[1]:.0f} in one domain and above "
            f"{high[1]:.0f} in the other: they cannot be compared (seconds against "
            "milliseconds, or dates against an order?)",
        )


def _user_clock(timed: pl.DataFrame) -> Iterator[Finding]:
    first = timed.group_by("user", maintain_order=True).agg(pl.col("time").min())
    at_zero = first.filter(pl.col("time") == pl.col("time").min())
    several = timed["time"].n_unique() > 1
    if several and first.height > 1 and at_zero.height > MOST * first.height:
        yield Finding(
            check="user_clock",
            error=False,
            where="all",
            count=at_zero.height,
            message="users begin at the same smallest time: times are places in each "
            "user's own sequence, so nothing is known of the order between users",
            examples=examples(at_zero, USER),
        )
