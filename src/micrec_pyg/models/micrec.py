"""MICRec (arXiv 2510.21812): inductive, multimodal and cross-domain."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, PartialShare, Positive, PositiveShare
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.alignment import alignment_loss, projection_heads
from micrec_pyg.nn.batch_rows import NodeRows, asked
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.nn.template_encoder import TemplateEncoder
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


class MICRec(Model):
    """Templates, then multimodal neighbours, then LightGCN.

    Users whom two domains share are aligned by a contrastive loss on projections
    of z. K = 0 (no similarity edges in the graph) leaves out the second step and a
    contrastive weight of 0 the last: with both, this is INMO, bit for bit.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "self_enhanced": "template_triplets",
        "contrastive": "overlap",
    }

    reads_neighborhoods: ClassVar[bool] = True

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        num_layers: Layers,
        dropout: PartialShare,
        alpha_decay: PositiveShare,
        neighbor: NeighborAggregation,
        temperature: Positive,
        loss: RankingLoss,
    ) -> None:
        """Draw the parameters of every domain; arguments as in the layers.

        Args:
            sizes: Numbers of templates, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width d.
            std: Standard deviation of the templates' start values.
            num_layers: L of LightGCN.
            dropout: p of the template layer.
            alpha_decay: Annealing of the template layer.
            neighbor: How similar nodes are aggregated.
            temperature: tau of the contrastive loss.
            loss: The ranking loss.
        """
        super().__init__()
        self.loss = loss
        self.temperature = temperature
        self.templates = TemplateEncoder(
            sizes=sizes,
            streams=streams,
            dim=dim,
            std=std,
            dropout=dropout,
            alpha_decay=alpha_decay,
        )
        self.head = projection_heads(sizes, dim=dim, streams=streams)
        self.neighbor = neighbor
        self.propagation = Propagation(num_layers=num_layers)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node."""
        return self.loss.scored(self._z(graphs, streams, {}))

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return the terms of section 4 of the paper.

        ``ranking`` and ``self_enhanced`` are summed over the domains, ``contrastive``
        is the mean over the pairs of domains.
        """
        found, rows = {}, asked(batch)
        z = self._z(graphs, streams, rows) if rows else {}
        if pairs := {**batch.triplets, **batch.pool}:
            vectors = {d: rows[d].triplets(z[d]) for d in pairs}
            found["ranking"] = self.loss(vectors, batch)
        if batch.template_triplets:
            found["self_enhanced"] = self.templates.loss(batch.template_triplets)
        if batch.overlap:
            found["contrastive"] = alignment_loss(
                self.head, z, rows, batch, self.temperature
            )
        return found

    def begin_epoch(self, epoch: int) -> None:
        """Anneal the normalisation of the templates."""
        self.templates.anneal(epoch)

    def _z(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None,
        rows: Mapping[str, NodeRows],
    ) -> dict[str, Embeddings]:
        """Return z; of a domain in ``rows``, that of those nodes alone."""
        z = {}
        for domain, data in graphs.items():
            h = self.neighbor(self.templates(domain, data, streams), data)
            z[domain] = self.propagation(h, data, rows.get(domain))
        return z
