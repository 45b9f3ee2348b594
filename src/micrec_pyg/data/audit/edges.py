"""Checks of a split against its data: every interaction in one part, and in one only.

They work on one table for all domains, a row per edge of the split: domain, part,
user and item (raw ids), time (null where there is none) and data (whether the
interaction exists).
"""

from collections.abc import Mapping

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.data.audit.finding import PAIR, Finding, by_domain
from micrec_pyg.data.splits.parts import Domains
from micrec_pyg.schema import EdgeSplit, Interactions

FEW = 10
"""With fewer new nodes their order says nothing."""
MOST = 0.5

KEY = ["domain", "user", "item"]


def check_edges(
    domains: Domains, splits: Mapping[str, EdgeSplit], table: pl.DataFrame
) -> list[Finding]:
    """Return what is repeated, in several parts, lost or of unknown origin.

    Args:
        domains: The data.
        splits: By domain.
        table: Their ``edge_table``.
    """
    everything = pl.concat(
        [_interactions(name, domains[name].interactions) for name in splits]
    )
    found = _pairs(table)
    found += by_domain(
        "duplicates",
        everything.filter(~pl.struct(KEY).is_first_distinct()),
        "interactions repeat an earlier pair",
        PAIR,
        error=True,
    )
    return found + by_domain(
        "lost_edges",
        everything.join(table, on=KEY, how="anti"),
        "interactions are in no part of the split: nobody is told that they are gone",
        PAIR,
        error=True,
    )


def check_seen(
    domains: Domains, splits: Mapping[str, EdgeSplit], *, ordered: bool
) -> list[Finding]:
    """Return what contradicts the old and the new nodes of a split.

    Args:
        domains: The data.
        splits: By domain.
        ordered: Whether the protocol may make the last nodes of the data new: one
            that divides by time does.
    """
    found = []
    for name, split in splits.items():
        data = domains[name].interactions
        found += _unseen_in_train(name, data, split)
        if not ordered:
            users, items = data.users.ids, data.items.ids
            found += _ordered(name, "users", users, data.user, split.seen_user)
            found += _ordered(name, "items", items, data.item, split.seen_item)
        found += _never_shown(name, data, split)
    return found


def _pairs(table: pl.DataFrame) -> list[Finding]:
    """Return pairs in several parts, twice in one, or that the data lacks."""
    pairs = table.group_by(KEY, maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("part").unique(maintain_order=True)
    )
    part_count = pl.col("part").list.len()
    where = pl.format(
        "user {}, item {}: {}", "user", "item", pl.col("part").list.join(" + ")
    )
    found = by_domain(
        "overlap",
        pairs.filter(part_count > 1),
        "pairs are in several parts of the split",
        where,
        error=True,
    )
    found += by_domain(
        "duplicates",
        pairs.filter(pl.col("rows") > part_count),
        "pairs stand more than once in one part of the split",
        where,
        error=True,
    )
    return found + by_domain(
        "foreign_edges",
        pairs.join(table.filter(~pl.col("data")), on=KEY, how="semi"),
        "pairs of the split are not in the data",
        where,
        error=True,
    )


def _interactions(name: str, data: Interactions) -> pl.DataFrame:
    """Return the interactions of one domain by raw id."""
    return pl.DataFrame(
        {
            "user": data.users.ids.gather(data.user.numpy()),
            "item": data.items.ids.gather(data.item.numpy()),
        }
    ).select(pl.lit(name).alias("domain"), "user", "item")


def _cases(
    name: str, data: Interactions, edges: Tensor, wrong: Bool[Tensor, " edges"]
) -> pl.DataFrame:
    """Return the marked edges by raw id."""
    user, item = edges[:, wrong]
    return pl.DataFrame(
        {
            "user": data.users.ids.gather(user.numpy()),
            "item": data.items.ids.gather(item.numpy()),
        }
    ).select(pl.lit(name).alias("domain"), "user", "item")


def _unseen_in_train(name: str, data: Interactions, split: EdgeSplit) -> list[Finding]:
    user, item = split.train
    wrong = ~(split.seen_user[user] & split.seen_item[item])
    return by_domain(
        "unseen_in_train",
        _cases(name, data, split.train, wrong),
        "training edges have an end that the split calls new; they belong to support, "
        "val or test",
        PAIR,
        error=True,
    )


def _ordered(
    name: str,
    kind: str,
    ids: pl.Series,
    ends: Int[Tensor, " edges"],
    seen: Bool[Tensor, " nodes"],
) -> list[Finding]:
    """Return a finding if exactly the last nodes are new.

    INMO's code keeps the lowest 80 % of the ids; numbered by time or by file they
    are no random draw.
    """
    new = int((~seen).sum())
    old = len(seen) - new
    if new < FEW or old < FEW:
        return []
    order = next((o for o in _orders(ids, ends) if bool(seen[o[:old]].all())), None)
    if order is None:
        return []
    message = f"new {kind} are exactly the last ids of the data, not a random draw"
    some = ids.gather(order[old : old + 3].numpy())
    examples = tuple(f"{kind[:-1]} {raw}" for raw in some)
    return [Finding("ordered_ids", True, name, new, message, examples)]


def _orders(ids: pl.Series, ends: Int[Tensor, " edges"]) -> list[Int[Tensor, " nodes"]]:
    """Return the nodes as their ids count them, and as the edges first show them."""
    nodes = pl.DataFrame({"id": ids, "node": range(len(ids))})
    # u9 comes before u10: the shorter id is the lower number
    by_id = nodes.sort(pl.col("id").str.len_bytes(), "id")["node"]
    first = torch.full((len(ids),), len(ends))
    first.scatter_reduce_(0, ends, torch.arange(len(ends)), "amin")
    return [torch.from_numpy(by_id.to_numpy(writable=True)), first.argsort(stable=True)]


def _never_shown(name: str, data: Interactions, split: EdgeSplit) -> list[Finding]:
    """Return findings about test edges of nodes without any earlier edge.

    They are a fault if most test edges are so, and of items that training is said to
    know.
    """
    known = split.known_at_test
    found = []
    for row, (kind, seen) in enumerate(
        (("users", split.seen_user), ("items", split.seen_item))
    ):
        shown = torch.zeros_like(seen)
        shown[known[row]] = True
        wrong = ~shown[split.test[row]]
        odd = wrong & seen[split.test[row]]
        found += by_domain(
            f"unseen_{kind}",
            _cases(name, data, split.test, wrong),
            f"test edges ({_share(wrong):.1%}) are of {kind} that no training or "
            "support edge shows",
            PAIR,
            error=kind == "items" and _share(odd) > MOST,
        )
    return found


def _share(marked: Bool[Tensor, " edges"]) -> float:
    return float(marked.float().mean()) if len(marked) else 0.0
