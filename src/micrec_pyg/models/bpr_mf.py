"""BPR-MF: matrix factorisation by pairwise ranking (Rendle et al., UAI 2009)."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.id_embedding import Unseen, answered, id_embeddings, training_rows
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


class BPRMF(Model):
    """Score by the inner product of two learnt vectors; new nodes get ``unseen``."""

    terms: ClassVar[Mapping[str, Part]] = {"ranking": "triplets", "l2": "triplets"}

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        unseen: Unseen,
        loss: RankingLoss,
    ) -> None:
        """Draw the vectors of every domain from N(0, std^2)."""
        super().__init__()
        self.loss = loss
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return the learnt vectors.

        Raises:
            UnseenNodeError: A node is unseen and ``unseen`` is ``error``.
        """
        found = {d: self.embedding[module_key(d)](data) for d, data in graphs.items()}
        return self.loss.scored(found)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking`` and ``l2``, each summed over the domains."""
        vectors = {
            domain: rows.triplets(take(training_rows(self.embedding, domain), rows))
            for domain, rows in asked(batch).items()
        }
        return {
            "ranking": self.loss(vectors, batch),
            "l2": over_domains(l2_loss, vectors),
        }
