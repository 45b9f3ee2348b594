"""Vectors of items, smoothed over the lists of similar items."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.schema import SIMILAR_ITEM


class SimilarItems(nn.Module):
    r"""Return :math:`(D^{-1/2} (I + S) D^{-1/2})^l x` of items.

    S are the similarities of every item to those of its list, and D the sums of the
    rows of I + S: an item is in its own list, with similarity 1.
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
        similarity, crow = edges.adj_t.values(), edges.adj_t.crow_indices()
        total = 1 + torch.segment_reduce(similarity, "sum", offsets=crow)
        row = total.repeat_interleave(crow.diff(), output_size=len(similarity))
        column = total.index_select(0, edges.adj_t.col_indices())
        weights = similarity * (row * column).rsqrt()
        values = weights, weights.index_select(0, edges.perm)
        for _ in range(self.num_layers):
            others: Tensor = self.sum(x, edges.adj_t, edges.adj, values)
            x = x / total.view(-1, 1) + others
        return x
