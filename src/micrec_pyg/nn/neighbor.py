"""Aggregation over the multimodal neighbours of a node."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Positive
from micrec_pyg.nn.constants import constant, per_edge
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.schema import (
    SIMILAR_ITEM,
    SIMILAR_USER,
    EdgeType,
    Embeddings,
    InputError,
)

Aggregation = Literal["residual", "mean", "weighted", "softmax"]


class NeighborAggregation(nn.Module):
    r"""Refine vectors by those of the K most similar nodes (MICRec, section 4.2).

    ==========  ==============================================================
    residual    :math:`h'_a = h_a + \sum_b s_{ab} h_b / \sum_b s_{ab}`
    weighted    :math:`h'_a = h_a + \sum_b s_{ab} h_b`
    softmax     :math:`h'_a = h_a + \sum_b \mathrm{softmax}_b(s_{ab} / t) h_b`
    mean        :math:`h'_a = (h_a + \sum_b h_b) / (n_a + 1)`
    ==========  ==============================================================

    A node without neighbours keeps its vector.

    Deviation: the paper gives no formula; see docs/deviations.md. ``mean`` divides
    by the number of neighbours n_a that the node has, at most K.
    """

    def __init__(self, *, aggregation: str, temperature: Positive) -> None:
        """Choose the formula; there are no parameters.

        Args:
            aggregation: One of the table above.
            temperature: t, for ``softmax`` alone.

        Raises:
            InputError: The aggregation is unknown or the temperature not positive.
        """
        super().__init__()
        if aggregation not in get_args(Aggregation):
            raise InputError(
                f"aggregation={aggregation}: give one of "
                f"{', '.join(get_args(Aggregation))}"
            )
        if temperature <= 0:
            raise InputError(f"temperature={temperature}: give a number above 0")
        self.aggregation, self.temperature = aggregation, temperature
        self.sum = WeightedSum()

    def forward(
        self,
        h: Embeddings,
        data: HeteroData,
        gate: tuple[Tensor, Tensor] | None = None,
    ) -> Embeddings:
        """Return h' of every node.

        Args:
            h: Vectors of every node.
            data: Has the similarity edges.
            gate: A factor of every user's and of every item's sum over its
                neighbours, which may have a gradient; None is 1.
        """
        of_users, of_items = gate or (None, None)
        return Embeddings(
            user=self._refine(h.user, data, SIMILAR_USER, of_users),
            item=self._refine(h.item, data, SIMILAR_ITEM, of_items),
        )

    def _refine(
        self, h: Tensor, data: HeteroData, edge_type: EdgeType, gate: Tensor | None
    ) -> Tensor:
        edges = data[edge_type]
        if edges.adj_t.values().numel() == 0:
            return h
        values = constant(
            edges.adj_t,
            (self.aggregation, self.temperature),
            lambda: self._values(edges.adj_t, edges.perm),
        )
        if self.aggregation == "mean":
            count: Tensor = edges.adj_t.crow_indices().diff().view(-1, 1)
            mean = self.sum(h, edges.adj_t, edges.adj, values)
            return h / (count + 1) + _gated(mean, gate)
        if gate is not None:
            return h + _gated(self.sum(h, edges.adj_t, edges.adj, values), gate)
        refined: Tensor = self.sum(h, edges.adj_t, edges.adj, values, residual=True)
        return refined

    def _values(self, adj_t: Tensor, perm: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors in the order of the matrix and of its transpose."""
        weights = self._weights(adj_t)
        return weights, weights.index_select(0, perm)

    def _weights(self, adj_t: Tensor) -> Tensor:
        """Return the factor of each neighbour."""
        similarity, crow = adj_t.values(), adj_t.crow_indices()
        if self.aggregation == "weighted":
            return similarity
        if self.aggregation == "mean":
            return per_edge(adj_t, 1 / (crow.diff() + 1))
        if self.aggregation == "softmax":
            # the largest of a row stands at 1, so nothing overflows or vanishes
            top = torch.segment_reduce(similarity, "max", offsets=crow)
            similarity = similarity - per_edge(adj_t, top)
            similarity = (similarity / self.temperature).exp()
        total = torch.segment_reduce(similarity, "sum", offsets=crow)
        total = torch.where(total > 0, total, 1.0)
        return similarity / per_edge(adj_t, total)


def _gated(total: Tensor, gate: Tensor | None) -> Tensor:
    """Return each row times its factor."""
    return total if gate is None else total * gate.view(-1, 1)
