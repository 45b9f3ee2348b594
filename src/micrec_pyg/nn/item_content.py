"""The content of items as one vector each, and of users as the mean of their items."""

from collections.abc import Collection

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.nn.spmm import product
from micrec_pyg.schema import INTERACTED_BY, ITEM, DomainSize


def width_of(size: DomainSize, modalities: Collection[str]) -> int:
    """Return the width of the content of some modalities; 1, a zero, for none."""
    return sum(size.widths[name] for name in modalities) or 1


def content(
    data: HeteroData,
    modalities: Collection[str],
    rows: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "items width"]:
    """Return the unit vectors of some modalities side by side, 0 where one is missing.

    Args:
        data: A graph whose items have them.
        modalities: Their names; the order is alphabetical. Without any, a
            content is one zero.
        rows: Items; None are all.
    """
    store = data[ITEM]
    if not modalities:
        count = store.num_nodes if rows is None else len(rows)
        return torch.zeros(count, 1, device=store.train_row.device)
    parts = []
    for name in sorted(modalities):
        values = store[name] if rows is None else store[name].index_select(0, rows)
        parts.append(functional.normalize(values, dim=1))
    return torch.cat(parts, dim=1)


def mean_content(
    data: HeteroData, modalities: Collection[str]
) -> Float[Tensor, "users width"]:
    """Return the mean of the contents of every user's items, 0 without any.

    Of each modality, the mean is over the items that have it. Edges are those of the
    graph at hand, so that it follows the history of a new user. There is no gradient.
    """
    edges = data[INTERACTED_BY].adj_t
    ones = torch.ones_like(edges.values())
    means = []
    for name in sorted(modalities):
        has = data[ITEM][f"{name}_mask"].float().view(-1, 1)
        total = product(edges, ones, torch.cat([content(data, [name]), has], dim=1))
        means.append(total[:, :-1] / total[:, -1:].clamp(min=1))
    return torch.cat(means, dim=1) if means else ones.new_zeros(edges.shape[0], 1)
