"""Views of the content of items, which users have of their items: MGCN and SMORE."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.similar_items import SimilarItems
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, Embeddings

Views = dict[str, Embeddings]
"""h by the name of a view."""


class ContentViews(nn.Module):
    r"""Views of nodes: :math:`h_i = \hat S^l g_i`, and those of users.

    .. math::
        h_u = \sum_{i \in N_u} \frac{h_i}{\sqrt{d_u d_i}}
    """

    def __init__(self, *, num_layers: int) -> None:
        """Choose the number of layers l on the graph of similar items."""
        super().__init__()
        self.smoothing = SimilarItems(num_layers=num_layers)
        self.sum = WeightedSum()

    def forward(self, gated: Mapping[str, Tensor], data: HeteroData) -> Views:
        """Return h of every node, by view.

        Args:
            gated: g of all items, by view; at least one.
            data: Their graph.
        """
        # Side by side, so that one product smooths, and one sums, all views.
        item = self.smoothing(torch.cat(list(gated.values()), dim=1), data)
        user = self.sum(item, data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t)
        sides = user.chunk(len(gated), dim=1), item.chunk(len(gated), dim=1)
        return {
            name: Embeddings(*both) for name, *both in zip(gated, *sides, strict=True)
        }


def side_of(
    c: Embeddings, views: Views, fused: Callable[[Tensor, dict[str, Tensor]], Tensor]
) -> Embeddings:
    """Return s of the nodes whose c and h are given; 0 without any view.

    Args:
        c: LightGCN's vectors.
        views: h of the same nodes.
        fused: Of c and h of users, or of items, makes s.
    """
    if not views:
        return Embeddings(torch.zeros_like(c.user), torch.zeros_like(c.item))
    return Embeddings(
        user=fused(c.user, {name: h.user for name, h in views.items()}),
        item=fused(c.item, {name: h.item for name, h in views.items()}),
    )


def added(c: Embeddings, s: Embeddings) -> Embeddings:
    """Return c + s."""
    return Embeddings(user=c.user + s.user, item=c.item + s.item)
