"""ItemKNN: items by the users that they share (Deshpande and Karypis, TOIS 2004)."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, NotNegative
from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.models.base import Model
from micrec_pyg.nn.histories import Histories, edges_of
from micrec_pyg.nn.spmm import product
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, DomainSize, Embeddings, Score

BLOCK = 512
"""Items whose similarities to all others are computed at a time."""


class ItemKNN(Model):
    """Score an item by its similarity to those that a user took.

    s_ij = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrink), with U_i the users of item i;
    item i keeps its k most similar, and its score is the sum of s_ij over those of
    them that the user took. Nothing is learnt: the graph at hand decides, so new
    items count with the edges that they bring along.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        k: Count,
        shrink: NotNegative,
    ) -> None:
        """Keep the settings.

        Args:
            sizes: Not used: nothing is stored.
            streams: Not used: nothing is drawn.
            k: Neighbours of every item.
            shrink: Added to the lengths; it lowers the similarity of rare items.
        """
        super().__init__()
        self.k, self.shrink = k, shrink
        # by domain: the edges that decided, and the weights
        self._found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return the sums of similarities; neighbours are found once, here."""
        data = graphs[domain]
        num_users, num_items = data[INTERACTED_BY].adj_t.shape
        history = Histories(edges_of(data), num_users=num_users, num_items=num_items)
        weights = self._weights(domain, data)
        values = weights.values()
        return lambda user: product(
            weights, values, history.rows(user).T
        ).T.contiguous()

    def _weights(self, domain: str, data: HeteroData) -> Float[Tensor, "items items"]:
        """Return the similarities that are kept; those of before for the same edges.

        A guest is a column without edges here, so a question searches nothing.
        """
        by_item = data[INTERACTS].adj_t
        crow, col = by_item.crow_indices(), by_item.col_indices()
        if domain in self._found:
            old_crow, old_col, weights = self._found[domain]
            same = old_crow.device == crow.device
            if same and torch.equal(old_crow, crow) and torch.equal(old_col, col):
                return weights
        neighbor, similarity = self._neighbors(data)
        num_items = len(neighbor)
        column, order = neighbor.sort(dim=1)
        row = torch.arange(num_items, device=column.device).view(-1, 1)
        weights = sparse_csr(
            row.expand_as(column).flatten(),
            column.flatten(),
            similarity.gather(1, order).flatten(),
            (num_items, num_items),
        )
        self._found[domain] = crow, col, weights
        return weights

    def _neighbors(
        self, data: HeteroData
    ) -> tuple[Int[Tensor, "items k"], Float[Tensor, "items k"]]:
        """Return the k most similar items of each, and the similarities."""
        by_item = data[INTERACTS].adj_t
        num_items, num_users = by_item.shape
        length = by_item.crow_indices().diff()
        item = torch.arange(num_items, device=length.device).repeat_interleave(length)
        # the edges towards items: those of a guest count for nobody else
        takers = Histories(
            torch.stack([item, by_item.col_indices().long()]),
            num_users=num_items,
            num_items=num_users,
        )
        ones = torch.ones_like(by_item.values())
        length = length.float().sqrt()
        found = []
        for some in torch.arange(num_items, device=item.device).split(BLOCK):
            shared = product(by_item, ones, takers.rows(some).T).T
            scale = length[some].view(-1, 1) * length + self.shrink
            # where both have no user nothing is shared, and 0 / 0 stays 0
            similar = shared / scale.clamp(min=torch.finfo(torch.float32).tiny)
            similar.scatter_(1, some.view(-1, 1), 0.0)
            found.append(similar.topk(min(self.k, num_items)))
        return (
            torch.cat([top.indices for top in found]),
            torch.cat([top.values for top in found]),
        )
