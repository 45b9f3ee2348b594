"""LightGCN (He et al., SIGIR 2020, arXiv 2002.02126), also with similar nodes."""

from collections.abc import Mapping
from typing import ClassVar, cast

from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.id_embedding import IdEmbedding, Unseen, answered, id_embeddings
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, Batch, DomainSize, Embeddings


class LightGCN(Model):
    """Learnt vectors, smoothed over the user-item graph.

    Unseen nodes start at ``unseen`` and are filled by propagation: from zero and with
    ``neighbor``, which first adds the vectors of similar nodes, a strong inductive
    control.
    """

    terms: ClassVar[Mapping[str, Part]] = {"ranking": "triplets", "l2": "triplets"}

    reads_neighborhoods: ClassVar[bool] = True

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
        neighbor: NeighborAggregation | None,
        loss: RankingLoss,
    ) -> None:
        """Draw the vectors of every domain from N(0, std^2)."""
        super().__init__()
        self.loss = loss
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.neighbor = neighbor
        self.propagation = Propagation(num_layers=num_layers)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node."""
        z = {}
        for domain, data in graphs.items():
            e = self.embedding[module_key(domain)](data)
            z[domain] = self.propagation(self._refine(e, data), data)
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking`` on z and ``l2`` on e, each summed over the domains."""
        of_z, of_e = {}, {}
        for domain, rows in asked(batch).items():
            data = graphs[domain]
            e = self._table(domain, data)
            h = self._refine(e, data)
            z, start = self.propagation.with_start(h, data, rows)
            if h is not e:
                start = take(e, rows)
            of_z[domain], of_e[domain] = rows.triplets(z), rows.triplets(start)
        return {
            "ranking": self.loss(of_z, batch),
            "l2": over_domains(l2_loss, of_e),
        }

    def _table(self, domain: str, data: HeteroData) -> Embeddings:
        """Return the vectors of the training graph's nodes, or of a part's."""
        table = cast(IdEmbedding, self.embedding[module_key(domain)])
        whole = data[USER].num_nodes, data[ITEM].num_nodes
        if whole == (len(table.user), len(table.item)):
            return table.training_rows()
        e: Embeddings = table(data)
        return e

    def _refine(self, e: Embeddings, data: HeteroData) -> Embeddings:
        """Return e itself, or with the vectors of similar nodes added."""
        if self.neighbor is None:
            return e
        refined: Embeddings = self.neighbor(e, data)
        return refined
