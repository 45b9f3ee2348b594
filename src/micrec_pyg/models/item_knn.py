"""ItemKNN: items by the users that they share (Deshpande and Karypis, TOIS 2004)."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, NotNegative, Positive, Share, one_of
from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.models.base import Model
from micrec_pyg.nn.histories import histories
from micrec_pyg.nn.interaction_weights import (
    NO_WEIGHTS,
    Weighting,
    interaction_factors,
    totals_of,
)
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.nn.row_products import RowProducts
from micrec_pyg.nn.spmm import product
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTS,
    DomainSize,
    Embeddings,
    Score,
    TrainStage,
)

Similarity = Annotated[str, one_of("cosine", "dot")]
Rule = Annotated[str, one_of("sum", "mean", "deviation")]

BLOCK = 512
"""Items whose similarities to all others are computed at a time."""


class _Found(NamedTuple):
    """What the edges of a domain decided."""

    crow: Tensor
    col: Tensor
    weights: Float[Tensor, "items items"]
    base: Float[Tensor, " items"] | None
    """The score of each item without any history; None is 0."""


class ItemKNN(Model):
    """Score an item by its similarity to those that a user took.

    s_ij = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrink), with U_i the users of item i;
    item i keeps its k most similar, and its score is the sum of s_ij over those of
    them that the user took. Nothing is learnt: the graph at hand decides, so new
    items count with the edges that they bring along.

    With weights of interactions s_ij is x_i x_j / (|x_i| |x_j| + shrink), or x_i x_j.
    The score may be the mean over the k that s_ij weighs, or m_i plus that mean of the
    deviations x_uj - m_j, with m the share of the users who took an item.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        k: Count,
        shrink: NotNegative,
        weighting: Weighting,
        k1: Positive,
        b: Share,
        similarity: Similarity,
        score: Rule,
    ) -> None:
        """Keep the settings.

        Args:
            sizes: Names the domains.
            streams: Not used: nothing is drawn.
            k: Neighbours of every item.
            shrink: Added to the lengths; it lowers the similarity of rare items. Not
                read with ``similarity=dot``.
            weighting: Of interactions, for the similarity: ``none`` is 1 for each.
            k1: Of BM25: the larger, the less an item with many users is held back.
            b: Of BM25: 0 weighs all items alike.
            similarity: ``cosine`` or, without lengths, ``dot``.
            score: ``sum``, ``mean`` or ``deviation``.
        """
        super().__init__()
        self.k, self.shrink = k, shrink
        self.weighting, self.k1, self.b = weighting, k1, b
        self.similarity, self.score = similarity, score
        if weighting != NO_WEIGHTS or score == "deviation":
            for domain in sizes:
                self.register_buffer(module_key(domain), None)
        self._found: dict[str, _Found] = {}

    def prepare(self, train: TrainStage) -> None:
        """Count what new nodes must not move, where the settings read it."""
        for domain, data in train.graphs.items():
            if module_key(domain) in self._buffers:
                setattr(self, module_key(domain), totals_of(data[INTERACTS].adj_t))

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return the sums of similarities; neighbours are found once, here."""
        data = graphs[domain]
        history = histories(data)
        found = self._weights(domain, data)
        values = found.weights.values()

        def score(user: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
            rows = product(found.weights, values, history.rows(user).T).T.contiguous()
            return rows if found.base is None else rows.add_(found.base)

        return score

    def _weights(self, domain: str, data: HeteroData) -> _Found:
        """Return the similarities that are kept; those of before for the same edges.

        A guest is a column without edges here, so a question searches nothing.
        """
        by_item = data[INTERACTS].adj_t
        crow, col = by_item.crow_indices(), by_item.col_indices()
        if domain in self._found:
            old = self._found[domain]
            same = old.crow.device == crow.device
            if same and torch.equal(old.crow, crow) and torch.equal(old.col, col):
                return old
        totals = self._buffers.get(module_key(domain))
        neighbor, similarity = self._neighbors(by_item, totals)
        base = None
        if self.score != "sum":
            total = similarity.sum(dim=1, keepdim=True)
            similarity = similarity / total.clamp(min=torch.finfo(torch.float32).tiny)
        if self.score == "deviation" and totals is not None:
            mean = (crow.diff() / totals[1]).float()
            base = mean - (similarity * mean[neighbor]).sum(dim=1)
        num_items = len(neighbor)
        column, order = neighbor.sort(dim=1)
        row = torch.arange(num_items, device=column.device).view(-1, 1)
        weights = sparse_csr(
            row.expand_as(column).flatten(),
            column.flatten(),
            similarity.gather(1, order).flatten(),
            (num_items, num_items),
        )
        self._found[domain] = _Found(crow, col, weights, base)
        return self._found[domain]

    def _neighbors(
        self, by_item: Float[Tensor, "items users"], totals: Tensor | None
    ) -> tuple[Int[Tensor, "items k"], Float[Tensor, "items k"]]:
        """Return the k most similar items of each, and the similarities."""
        num_items = by_item.shape[0]
        count, user = by_item.crow_indices().diff(), by_item.col_indices().long()
        item = torch.arange(num_items, device=user.device).repeat_interleave(count)
        f, g = interaction_factors(
            by_item, totals, weighting=self.weighting, k1=self.k1, b=self.b
        )
        square = g.square()
        length = product(by_item, torch.ones_like(by_item.values()), square.view(-1, 1))
        length = length.flatten().sqrt() * f
        # the edges towards items: those of a guest count for nobody else
        products = RowProducts(by_item, f[item] * square[user])
        found = []
        for some in torch.arange(num_items, device=item.device).split(BLOCK):
            similar = products.rows(some)
            # f of the row is in the divisor, that of the column in the products
            scale = 1 / f[some].view(-1, 1)
            if self.similarity == "cosine":
                own = length[some].view(-1, 1) * scale
                scale = (own * length).add_(self.shrink * scale)
            # where both have no user nothing is shared, and 0 / 0 stays 0
            similar.div_(scale.clamp_(min=torch.finfo(torch.float32).tiny))
            similar.scatter_(1, some.view(-1, 1), 0.0)
            found.append(similar.topk(min(self.k, num_items)))
        return (
            torch.cat([top.indices for top in found]),
            torch.cat([top.values for top in found]),
        )
