"""Which users and items serve as templates (method page, section 1; INMO 2.2)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

DAMPING = 0.85
PAGE_RANK_STEPS = 200
"""The error shrinks by ``DAMPING`` a step: 200 steps leave less than 1e-14."""

METRICS = ("error_sort", "degree", "page_rank", "random")


def choose(
    edges: Int[Tensor, "2 edges"],
    num_nodes: tuple[int, int],
    *,
    ratio: float,
    metric: str,
    generators: tuple[torch.Generator, torch.Generator],
) -> tuple[Int[Tensor, " user_templates"], Int[Tensor, " item_templates"]]:
    """Return the training-graph rows of template users and of template items.

    The ``int(ratio * n)`` best of each side (at least one), in ascending order;
    equal values are taken by lower row.

    Args:
        edges: Training edges as (user row, item row).
        num_nodes: Number of users and of items of the training graph.
        ratio: Share of each side, in (0, 1].
        metric: One of ``METRICS``.
        generators: For ``random`` alone: one of the users, one of the items.
    """
    if metric == "random":
        value = tuple(
            torch.rand(n, generator=g)
            for n, g in zip(num_nodes, generators, strict=True)
        )
    else:
        # Sums that are equal on paper may differ in the last bit of float64,
        # by their order; rounded to float32 they tie.
        measure = {"error_sort": error_sort, "degree": degree, "page_rank": page_rank}
        value = tuple(v.float() for v in measure[metric](edges, num_nodes))
    users, items = (_best(v, ratio) for v in value)
    return users, items


def degree(
    edges: Int[Tensor, "2 edges"], num_nodes: tuple[int, int]
) -> tuple[Float[Tensor, " users"], Float[Tensor, " items"]]:
    """Return the number of training edges of every user and of every item."""
    users, items = (
        torch.bincount(end, minlength=n).double()
        for end, n in zip(edges, num_nodes, strict=True)
    )
    return users, items


def error_sort(
    edges: Int[Tensor, "2 edges"], num_nodes: tuple[int, int]
) -> tuple[Float[Tensor, " users"], Float[Tensor, " items"]]:
    """Return INMO's error-sort: the sum over a node's neighbours of 1/degree."""
    users, items = (1 / d.clamp(min=1) for d in degree(edges, num_nodes))
    return _spread(edges, users, items)


def page_rank(
    edges: Int[Tensor, "2 edges"], num_nodes: tuple[int, int]
) -> tuple[Float[Tensor, " users"], Float[Tensor, " items"]]:
    """Return PageRank on the undirected bipartite graph of users and items.

    Damping 0.85, uniform restart; nodes without an edge spread their rank over
    everybody. The ranks of users and items together sum to 1.
    """
    total = sum(num_nodes)
    user_degree, item_degree = degree(edges, num_nodes)
    users = torch.full_like(user_degree, 1 / total)
    items = torch.full_like(item_degree, 1 / total)
    for _ in range(PAGE_RANK_STEPS):
        isolated = users[user_degree == 0].sum() + items[item_degree == 0].sum()
        base = (1 - DAMPING + DAMPING * isolated) / total
        to_users, to_items = _spread(
            edges, users / user_degree.clamp(min=1), items / item_degree.clamp(min=1)
        )
        users, items = base + DAMPING * to_users, base + DAMPING * to_items
    return users, items


def _spread(edges: Tensor, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each user the sum over its items' values, and the mirror."""
    user, item = edges
    return (
        torch.zeros_like(users).index_add_(0, user, items[item]),
        torch.zeros_like(items).index_add_(0, item, users[user]),
    )


def _best(value: Tensor, ratio: float) -> Tensor:
    count = max(1, int(ratio * len(value)))
    order = torch.argsort(value, descending=True, stable=True)
    return order[:count].sort().values
