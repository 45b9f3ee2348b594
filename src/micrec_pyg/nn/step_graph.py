"""The graph of one training step: some edges of the training graph are taken away."""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import PartialShare
from micrec_pyg.nn.constants import per_edge
from micrec_pyg.nn.edge_dropout import draw_kept
from micrec_pyg.nn.template_rows import are_templates
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    USER,
    Triplets,
)


class StepGraph(nn.Module):
    r"""Take edges out of a training graph, for the messages of one step.

    .. math::
        m_e = [e \notin B] \cdot \mathrm{Bernoulli}(1 - p_E)
        \cdot \mathrm{Bernoulli}(1 - p_U)_{u(e)}

    B are the positives of the batch: at the test the edge that is asked for carries
    no message either. The third factor is one draw per user: those who lose all edges
    train what a user without history is given. Degrees, rho and the weights of
    LightGCN are those of the smaller graph; weights that stay are not divided by
    1 - p, as dropout would: it is another graph.

    What is taken away keeps its place, with the weight 0. So indices and shapes are
    those of the training graph, and nothing waits for the device.
    """

    def __init__(
        self, *, targets: bool, edges: PartialShare, users: PartialShare
    ) -> None:
        """Choose what is taken away; there are no parameters.

        Args:
            targets: Whether the positives of the batch are.
            edges: p_E, share of all edges.
            users: p_U, share of the users who lose all of theirs.
        """
        super().__init__()
        self.targets, self.edges, self.users = targets, edges, users

    def forward(
        self,
        data: HeteroData,
        domain: str,
        batch: Triplets | None,
        streams: RandomStreams,
    ) -> HeteroData:
        """Return the graph of a step; the graph itself if nothing is taken away.

        Args:
            data: The training graph.
            domain: Names the random streams.
            batch: Its users and positives are the targets; each must be an edge.
            streams: Draw what is taken away.
        """
        matrix = data[INTERACTED_BY].adj_t
        size, kept = matrix.values().numel(), None
        if self.edges:
            drawn = draw_kept(size, self.edges, streams("edges", domain))
            kept = drawn.to(matrix.values().dtype)
        if self.users:
            generator = streams("users without edges", domain)
            drawn = draw_kept(data[USER].num_nodes, self.users, generator)
            stays = per_edge(matrix, drawn.to(matrix.values().dtype))
            kept = stays if kept is None else kept * stays
        if self.targets and batch is not None:
            if kept is None:
                kept = torch.ones_like(matrix.values())
            kept.index_fill_(0, edge_places(matrix, batch.user, batch.pos), 0.0)
        return data if kept is None else smaller(data, kept)


def smaller(data: HeteroData, kept: Float[Tensor, " edges"]) -> HeteroData:
    """Return a graph without some of its interactions, on the same indices.

    It has what layers read of interactions: ``degree``, ``rho`` and the weights of
    LightGCN. All else is that of the graph that is given.

    Args:
        data: Stays as it is.
        kept: 1 or 0 for each edge, in the order of the users' matrix.
    """
    to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
    order = data[INTERACTED_BY].perm
    kept_of_item = kept.index_select(0, order)
    result = copy.copy(data)  # stores are new, what they hold is not
    degree = _row_sums(to_user, kept), _row_sums(to_item, kept_of_item)
    result[USER].degree, result[ITEM].degree = degree
    result[USER].rho = 1 + _of_templates(data, ITEM, to_user, kept, degree[0])
    result[ITEM].rho = 1 + _of_templates(data, USER, to_item, kept_of_item, degree[1])
    user, item = (side.clamp(min=1).rsqrt() for side in degree)
    weights = kept * per_edge(to_user, user)
    weights *= item.index_select(0, to_user.col_indices())
    result[INTERACTED_BY].adj_t = _with_values(to_user, weights)
    result[INTERACTS].adj_t = _with_values(to_item, weights.index_select(0, order))
    return result


def edge_places(
    matrix: Float[Tensor, "users items"],
    user: Int[Tensor, " pairs"],
    item: Int[Tensor, " pairs"],
) -> Int[Tensor, " pairs"]:
    """Return the place of each pair among the non-zeros of a CSR matrix.

    Args:
        matrix: Its non-zeros are sorted by (row, column).
        user: Row of each pair.
        item: Column of each pair; the pair must be a non-zero.
    """
    num_users, num_items = matrix.shape
    first = num_items * torch.arange(num_users, device=user.device)
    keys = per_edge(matrix, first).add_(matrix.col_indices())
    return torch.searchsorted(keys, user * num_items + item)


def _of_templates(
    data: HeteroData, kind: str, matrix: Tensor, kept: Tensor, degree: Tensor
) -> Tensor:
    """Return how many of the edges that stay lead to a template of a kind."""
    template = are_templates(data, kind)
    if template is None:
        return degree
    counted = kept * template.index_select(0, matrix.col_indices())
    return _row_sums(matrix, counted)


def _row_sums(matrix: Tensor, values: Tensor) -> Tensor:
    return torch.segment_reduce(values, "sum", offsets=matrix.crow_indices())


def _with_values(matrix: Tensor, values: Tensor) -> Tensor:
    """Return a CSR matrix on the indices of another one."""
    return torch.sparse_csr_tensor(
        matrix.crow_indices(),
        matrix.col_indices(),
        values,
        matrix.shape,
        check_invariants=False,
    )
