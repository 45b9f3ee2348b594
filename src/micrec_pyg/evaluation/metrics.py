"""Metrics of ranked lists, one value per user; definitions in docs/metrics.md.

A metric is a function (hits [rows, k], relevant [rows]) -> value [rows]. A new one
is one function and one entry of ``METRICS``.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.schema import RankedLists

Hits = Bool[Tensor, "rows k"]
Relevant = Int[Tensor, " rows"]
Values = Float[Tensor, " rows"]


def recall(hits: Hits, relevant: Relevant) -> Values:
    """Return hits / |relevant|, also where more than k items are relevant.

    The definition of RecBole, INMO and PyG; LensKit divides by min(|relevant|, k).
    """
    return hits.sum(1).double() / relevant


def precision(hits: Hits, relevant: Relevant) -> Values:
    """Return hits / k, also where fewer than k items could be recommended."""
    return hits.sum(1).double() / hits.shape[1]


def ndcg(hits: Hits, relevant: Relevant) -> Values:
    """Return DCG / ideal DCG: gain 1, discount 1 / log2(rank + 1), ranks from 1.

    The ideal list holds min(|relevant|, k) hits.
    """
    discount = _discount(hits)
    ideal = discount.cumsum(0)[relevant.clamp(1, hits.shape[1]) - 1]
    return (hits * discount).sum(1) / ideal


def hit(hits: Hits, relevant: Relevant) -> Values:
    """Return 1 where the list has a hit, else 0."""
    return hits.any(1).double()


def mrr(hits: Hits, relevant: Relevant) -> Values:
    """Return 1 / rank of the first hit, 0 without one."""
    return (hits / _ranks(hits)).amax(1)


def mean_average_precision(hits: Hits, relevant: Relevant) -> Values:
    """Return the mean precision at the ranks of the hits, over min(|relevant|, k)."""
    at_hit = hits * hits.cumsum(1) / _ranks(hits)
    return at_hit.sum(1) / relevant.clamp(1, hits.shape[1])


METRICS: Mapping[str, Callable[[Hits, Relevant], Values]] = {
    "recall": recall,
    "ndcg": ndcg,
    "precision": precision,
    "hit": hit,
    "mrr": mrr,
    "map": mean_average_precision,
}


def accuracy_metrics(
    lists: RankedLists,
    hidden: Int[Tensor, "2 _hidden"],
    *,
    num_items: int,
    ks: Sequence[int],
) -> dict[str, Values]:
    """Return every metric at every k (``recall@20``), one float64 per list.

    NaN where the user has no hidden item: nothing is defined there, and a mean
    that forgot to leave such users out shows it.

    Args:
        lists: At least max(ks) long.
        hidden: The relevant (user, item) pairs, in graph rows.
        num_items: Items of the graph.
        ks: Cut-offs; all are read from the one list.

    Raises:
        ValueError: A cut-off is below 1 or beyond the lists.
    """
    length = lists.item.shape[1]
    if not ks or min(ks) < 1 or max(ks) > length:
        raise ValueError(f"ks={list(ks)}: cut-offs must be in 1..{length}")
    user, item = hidden.to(lists.item.device)
    keys = (user * num_items + item).unique()
    hits = _hits(lists, keys, num_items)
    relevant = _count(keys, lists.user, num_items)
    empty = relevant == 0
    return {
        f"{name}@{k}": metric(hits[:, :k], relevant).masked_fill(empty, torch.nan)
        for k in ks
        for name, metric in METRICS.items()
    }


def _hits(
    lists: RankedLists, keys: Int[Tensor, " keys"], num_items: int
) -> Bool[Tensor, "rows k"]:
    """Return which places of the lists hold a relevant item, by key lookup."""
    if len(keys) == 0:
        return torch.zeros_like(lists.item, dtype=torch.bool)
    asked = lists.user[:, None] * num_items + lists.item
    place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
    # a pad (-1) would alias the last item of the user before
    return (keys[place] == asked) & (lists.item >= 0)


def _count(
    keys: Int[Tensor, " keys"], user: Int[Tensor, " rows"], num_items: int
) -> Int[Tensor, " rows"]:
    """Return how many relevant items each user has."""
    first = torch.searchsorted(keys, user * num_items)
    return torch.searchsorted(keys, (user + 1) * num_items) - first


def _ranks(hits: Hits) -> Float[Tensor, " k"]:
    """Return 1..k."""
    k = hits.shape[1]
    return torch.arange(1, k + 1, dtype=torch.float64, device=hits.device)


def _discount(hits: Hits) -> Float[Tensor, " k"]:
    """Return 1 / log2(rank + 1)."""
    return 1 / (_ranks(hits) + 1).log2()
