"""Means over the nodes that a node interacted with, in the graph at hand."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.spmm import product, spmm
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, ITEM, USER, EdgeType

TOWARDS: Mapping[str, EdgeType] = {USER: INTERACTED_BY, ITEM: INTERACTS}
"""The edges by which a kind of nodes reads the other kind."""


def mean_of_others(
    data: HeteroData, kind: str, others: Float[Tensor, "others dim"]
) -> Float[Tensor, "nodes dim"]:
    """Return the mean vector of the nodes that each node interacted with, 0 of none.

    There is no gradient.

    Args:
        data: The graph at hand.
        kind: Whose means: ``user`` for those of their items, or ``item``.
        others: Vectors of the other kind.
    """
    edges = data[TOWARDS[kind]].adj_t
    total = product(edges, torch.ones_like(edges.values()), others.detach())
    count: Tensor = edges.crow_indices().diff().clamp(min=1).view(-1, 1)
    return total / count


def mean_along(
    adj_t: Float[Tensor, "targets sources"],
    x: Float[Tensor, "sources dim"],
    adj: Float[Tensor, "sources targets"],
) -> Float[Tensor, "targets dim"]:
    """Return the mean vector of the sources of every target, 0 of none.

    Args:
        adj_t: CSR, one row per target; its weights are not read.
        x: Vectors of the sources.
        adj: Its transpose as CSR, for the gradient.
    """
    ones = torch.ones_like(adj_t.values())
    count = adj_t.crow_indices().diff().clamp(min=1).view(-1, 1)
    return spmm(adj_t, x, adj, values=(ones, ones)) / count
