"""INMO (Wu et al., SIGIR 2022, arXiv 2107.05247): inductive by templates."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, PartialShare, Positive, PositiveShare
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import NodeRows, asked
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.nn.template_encoder import TemplateEncoder
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


class INMO(Model):
    """Template aggregation, then LightGCN; ``num_layers=0`` is INMO-MF."""

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "self_enhanced": "template_triplets",
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
        loss: RankingLoss,
    ) -> None:
        """Draw the templates of every domain; arguments as in the layers."""
        super().__init__()
        self.loss = loss
        self.templates = TemplateEncoder(
            sizes=sizes,
            streams=streams,
            dim=dim,
            std=std,
            dropout=dropout,
            alpha_decay=alpha_decay,
        )
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
        """Return ``ranking`` and ``self_enhanced``, each summed over the domains."""
        found, rows = {}, asked(batch)
        if pairs := {**batch.triplets, **batch.pool}:
            z = self._z(graphs, streams, rows)
            vectors = {d: rows[d].triplets(z[d]) for d in pairs}
            found["ranking"] = self.loss(vectors, batch)
        if batch.template_triplets:
            found["self_enhanced"] = self.templates.loss(batch.template_triplets)
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
            h = self.templates(domain, data, streams)
            z[domain] = self.propagation(h, data, rows.get(domain))
        return z
