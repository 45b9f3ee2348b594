"""Vectors of items, smoothed over the lists of similar items."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage

from micrec_pyg.nn.constants import constant, per_edge, rows_of
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.schema import SIMILAR_ITEM


class SimilarItems(nn.Module):
    r"""Return :math:`(D^{-1/2} (I + S) D^{-1/2})^l x` of items.

    S are the similarities of every item to those of its list, and D the sums of the
    rows of I + S: an item is in its own list once, with similarity 1.
    """

    def __init__(self, *, num_layers: int) -> None:
        """Choose the number of layers l; there are no parameters."""
        super().__init__()
        self.num_layers = num_layers
        self.sum = WeightedSum()

    def forward(
        self, x: Float[Tensor, "items width"], data: HeteroData
    ) -> Float[Tensor, "items width"]:
        """Return the smoothed vectors of all items of a graph."""
        edges = data[SIMILAR_ITEM]
        total, values = constant(edges.adj_t, "smoothing", lambda: _smoothing(edges))
        for _ in range(self.num_layers):
            others: Tensor = self.sum(x, edges.adj_t, edges.adj, values)
            x = x / total.view(-1, 1) + others
        return x


def _smoothing(edges: EdgeStorage) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return D, and the weights of the others, first by row, then by column."""
    similarity = edges.adj_t.values() * others_alone(edges.adj_t)
    offsets = edges.adj_t.crow_indices()
    total = 1 + torch.segment_reduce(similarity, "sum", offsets=offsets)
    column = total.index_select(0, edges.adj_t.col_indices())
    weights = similarity * (per_edge(edges.adj_t, total) * column).rsqrt()
    return total, (weights, weights.index_select(0, edges.perm))


def others_alone(lists: Float[Tensor, "nodes nodes"]) -> Float[Tensor, " _nonzeros"]:
    """Return 1 for every entry of lists of similar nodes, 0 for a node in its own.

    There it stands with ``knn_include_self``; who adds it anyway must not add it twice.
    """
    return (lists.col_indices() != rows_of(lists)).to(lists.dtype)
