"""LightGCN propagation on the user-item graph."""

from torch import nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, Embeddings


class LightGCN(nn.Module):
    r"""Return the mean of the layers (LightGCN, arXiv 2002.02126, eqs. 3, 4 and 8).

    .. math::
        X_{l+1} = D^{-1/2} A D^{-1/2} X_l, \quad
        z = \frac{1}{L + 1} \sum_{l=0}^{L} X_l

    No weights and no non-linearity; L = 0 returns its input.
    """

    def __init__(self, *, num_layers: int) -> None:
        """Choose the number of layers L; there are no parameters."""
        super().__init__()
        self.num_layers = num_layers
        self.sum = WeightedSum()

    def forward(self, h: Embeddings, data: HeteroData) -> Embeddings:
        """Return z of every node."""
        to_item, to_user = data[INTERACTS].adj_t, data[INTERACTED_BY].adj_t
        user, item = h.user, h.item
        user_total, item_total = user, item
        for _ in range(self.num_layers):
            # Each direction's matrix is the transpose of the other's.
            user, item = (
                self.sum(item, to_user, to_item),
                self.sum(user, to_item, to_user),
            )
            user_total = user_total + user
            item_total = item_total + item
        layers = self.num_layers + 1
        return Embeddings(user=user_total / layers, item=item_total / layers)
