"""What an audit reports: findings by the name of their check."""

from dataclasses import dataclass

import polars as pl

EXAMPLES = 3
"""Cases that a finding names."""

CHECKS = {
    "duplicates": "the same user and item more than once",
    "near_duplicates": "pairs whose ids differ in case, blanks or zeros alone",
    "overlap": "one pair in several parts of the split, or known and hidden at once",
    "copied_items": "test items whose text the user's known items have already",
    "lost_edges": "interactions that the split leaves out",
    "foreign_edges": "pairs of the split that the data does not have",
    "unseen_in_train": "training edges of users or items that count as new",
    "unseen_items": "test edges of items that nothing before the test shows",
    "unseen_users": "test edges of users that nothing before the test shows",
    "ordered_ids": "new nodes that are the last of the list, not a random draw",
    "unstable_split": "the same settings divide the data differently a second time",
    "future_edges": "known edges later than a test edge, against the protocol",
    "cross_domain_future": "the same, with the later edge in another domain",
    "equal_times": "users all of whose interactions have one time",
    "time_units": "domains whose times cannot be of one unit",
    "user_clock": "times that count each user's own steps",
    "swapped_columns": "user and item columns exchanged, in a table or in some rows",
    "no_overlap": "two domains without a common user, or without one in training",
    "cross_domain_pairs": "a test pair of one domain known in another",
    "shared_items": "items of two domains, trained in one and tested in the other",
    "hidden_messages": "graph edges, labels or degrees that hold hidden interactions",
    "unseen_nodes": "new nodes in the training graph or among the templates",
    "neighbors": "similarity edges of items that their features do not explain",
    "user_features": "similarity edges of users that known edges do not explain",
}
"""What each check looks for; the names that can be waived."""


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found."""

    check: str
    """A name of ``CHECKS``."""
    error: bool
    """Whether the audit fails; False: a property that a reader should know."""
    where: str
    """Domain, pair of domains, or folder."""
    count: int
    """How many cases."""
    message: str
    """What they are, in one sentence."""
    examples: tuple[str, ...] = ()
    """A few cases, by raw ids."""


def by_domain(
    check: str, cases: pl.DataFrame, message: str, example: pl.Expr, *, error: bool
) -> list[Finding]:
    """Return one finding per domain that has cases.

    Args:
        check: A name of ``CHECKS``.
        cases: A row per case, with a column ``domain``.
        message: What a case is.
        example: Describes a row as text.
        error: Whether the audit fails.
    """
    return [
        Finding(
            check=check,
            error=error,
            where=str(domain),
            count=rows.height,
            message=message,
            examples=examples(rows, example),
        )
        for (domain,), rows in cases.group_by("domain", maintain_order=True)
    ]


def examples(cases: pl.DataFrame, example: pl.Expr) -> tuple[str, ...]:
    """Return the descriptions of the first cases."""
    return tuple(cases.head(EXAMPLES).select(example.alias("text"))["text"])


PAIR = pl.format("user {}, item {}", "user", "item")
"""Describes a row with a user and an item."""
