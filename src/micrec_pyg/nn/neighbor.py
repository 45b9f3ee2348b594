"""Aggregation over the multimodal neighbours of a node."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

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

    def __init__(self, *, aggregation: str, temperature: float) -> None:
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

    def forward(self, h: Embeddings, data: HeteroData) -> Embeddings:
        """Return h' of every node."""
        return Embeddings(
            user=self._refine(h.user, data, SIMILAR_USER),
            item=self._refine(h.item, data, SIMILAR_ITEM),
        )

    def _refine(self, h: Tensor, data: HeteroData, edge_type: EdgeType) -> Tensor:
        edges = data[edge_type]
        if edges.adj_t.values().numel() == 0:
            return h
        values = (self._weigh(edges.adj_t.values()), self._weigh(edges.adj.values()))
        added: Tensor = self.sum(h, edges.adj_t, edges.adj, values)
        if self.aggregation == "weighted":
            return h + added
        if self.aggregation == "mean":
            count: Tensor = edges.adj_t.crow_indices().diff().to(h.dtype).view(-1, 1)
            return (h + added) / (count + 1)
        ones = h.new_ones(len(h), 1)
        total: Tensor = self.sum(ones, edges.adj_t, edges.adj, values)
        # Rows without neighbours have total 0 and nothing to add.
        return h + added / torch.where(total > 0, total, 1.0)

    def _weigh(self, similarity: Tensor) -> Tensor:
        if self.aggregation == "mean":
            return torch.ones_like(similarity)
        if self.aggregation == "softmax":
            # similarity <= 1, so this cannot overflow
            return ((similarity - 1) / self.temperature).exp()
        return similarity
