"""FREEDOM: a frozen graph of similar items, and a thinned graph of interactions.

Zhou and Shen, MM 2023, arXiv 2211.06924.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage

from micrec_pyg.allowed import Count, Layers, PartialShare, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.constants import constant, per_edge
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.item_content import modality_layers, projected
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.nn.similar_items import others_alone
from micrec_pyg.nn.thinning import thinned
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    SIMILAR_ITEM,
    Batch,
    DomainSize,
    Embeddings,
    TrainStage,
)


class FREEDOM(Model):
    r"""LightGCN on few of the edges, plus the mean of similar items.

    .. math::
        z_u = \frac{1}{L + 1} \sum_l \hat A^l e, \quad
        z_i = \frac{1}{L + 1} \sum_l \hat A^l e
        + \frac{1}{k} \Big( e_i + \sum_{j \in S_i} e_j \Big)

    S_i are the k - 1 most similar items by content. A training step keeps a share of
    the edges, drawn without replacement by (d_u d_i)^(-1/2), and normalises them
    anew; inference takes all. The second loss ranks by z_u and the projected content.

    Deviation: one list of similar items by the weighted cosine, where the paper adds
    a list for each modality; edges are drawn for each step, not for each epoch; the
    content stays frozen in the second loss, too. New nodes start at ``unseen``.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "content": "triplets",
    }

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        unseen: Unseen,
        num_layers: Layers,
        dropout: PartialShare,
        loss: RankingLoss,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width of the vectors.
            std: Standard deviation of their start values.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: L.
            dropout: Share of the edges that a training step leaves out.
            loss: The ranking loss, of both terms.
        """
        super().__init__()
        self.loss, self.num_layers, self.dropout = loss, num_layers, dropout
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.modalities = {d: sorted(size.widths) for d, size in sizes.items()}
        self.projection = modality_layers(sizes, dim=dim, streams=streams)
        self.sum = WeightedSum()
        for domain in sizes:
            self.register_buffer(module_key(domain), None)

    def prepare(self, train: TrainStage) -> None:
        """Find the place in the edges to users of every edge to items."""
        for domain, data in train.graphs.items():
            order = data[INTERACTED_BY].adj_t.col_indices().argsort(stable=True)
            setattr(self, module_key(domain), order)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node, on all edges."""
        z = {}
        for domain, data in graphs.items():
            e = self.embedding[module_key(domain)](data)
            values = data[INTERACTED_BY].adj_t.values(), data[INTERACTS].adj_t.values()
            z[domain] = self._z(e, data, values)
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking``, and ``content``, a sum over the modalities."""
        vectors = {}
        by_modality: dict[str, dict[str, tuple[Tensor, Tensor, Tensor]]] = {}
        for domain, rows in asked(batch).items():
            data, key = graphs[domain], module_key(domain)
            e = training_rows(self.embedding, domain)
            edges = data[INTERACTED_BY].adj_t
            values = thinned(edges, self.dropout, streams("edges", domain))
            order = self.get_buffer(key)
            z = take(self._z(e, data, (values, values.index_select(0, order))), rows)
            vectors[domain] = rows.triplets(z)
            for name in self.modalities[domain]:
                f = projected(self.projection, domain, name, data, rows.item)
                by_modality.setdefault(name, {})[domain] = rows.triplets(
                    Embeddings(user=z.user, item=f)
                )
        terms = [self.loss(by_modality[name], batch) for name in sorted(by_modality)]
        ranking = self.loss(vectors, batch)
        return {
            "ranking": ranking,
            "content": torch.stack(terms).sum() if terms else torch.zeros_like(ranking),
        }

    def _z(
        self, e: Embeddings, data: HeteroData, values: tuple[Tensor, Tensor]
    ) -> Embeddings:
        """Return z of every node, by weights of the edges to users and to items."""
        to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
        x, users, items = e, [e.user], [e.item]
        for _ in range(self.num_layers):
            x = Embeddings(
                user=self.sum(x.item, to_user, to_item, values),
                item=self.sum(x.user, to_item, to_user, (values[1], values[0])),
            )
            users.append(x.user)
            items.append(x.item)
        return Embeddings(
            user=torch.stack(users).mean(0),
            item=torch.stack(items).mean(0) + self._similar(e.item, data),
        )

    def _similar(self, item: Tensor, data: HeteroData) -> Tensor:
        """Return the mean of every item and the items that are similar to it."""
        edges = data[SIMILAR_ITEM]
        share, values = constant(edges.adj_t, "mean", lambda: _shares(edges))
        others: Tensor = self.sum(item, edges.adj_t, edges.adj, values)
        mean: Tensor = item * share.view(-1, 1) + others
        return mean


def _shares(edges: EdgeStorage) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return 1/k of every item, and that of the others, by row and by column."""
    other = others_alone(edges.adj_t)
    offsets = edges.adj_t.crow_indices()
    share = 1 / (1 + torch.segment_reduce(other, "sum", offsets=offsets))
    weights = other * per_edge(edges.adj_t, share)
    return share, (weights, weights.index_select(0, edges.perm))
