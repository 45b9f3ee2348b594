"""IDCF: nodes by their histories and by key nodes that are like them.

Wu et al., ICML 2021, arXiv 2007.04833; with LightGCN as in INMO's comparison.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked
from micrec_pyg.nn.id_embedding import id_embeddings, training_rows
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.losses import l2_loss, matching_loss, over_domains
from micrec_pyg.nn.means import mean_of_others
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.nn.relation import RelationAttention
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, Batch, DomainSize, Embeddings, TrainStage

KINDS = (USER, ITEM)


class IDCF(Model):
    r"""Learn vectors, and a relation that finds them again from histories.

    .. math::
        p_u = \mathrm{attention}\Big(\frac{1}{|N_u|} \sum_{i \in N_u} e_i,
        \{e_k\}_k \Big)

    k are key users, and the mirror image for items. e are the vectors of a LightGCN,
    which the relation does not move. z is LightGCN over p: of old nodes and new ones
    alike. A contrastive loss brings p to e.

    Deviation: e is learnt beside the relation, not before it; the keys are the nodes
    with the most training edges, where the paper draws them in every step; items have
    a relation too, and scores are products, as in INMO's comparison.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "pretraining": "triplets",
        "agreement": "triplets",
        "l2": "triplets",
    }
    divisible: ClassVar[frozenset[Part]] = frozenset()  # rows are compared with others

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        num_layers: Layers,
        num_heads: Count,
        num_keys: Count,
        loss: RankingLoss,
    ) -> None:
        """Draw the vectors and the relations of every domain.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, a stream per domain and relation.
            dim: Width of the vectors.
            std: Standard deviation of the start values of e.
            num_layers: Of LightGCN, over e and over p.
            num_heads: Of the attention.
            num_keys: Most key users, and most key items, of a domain.
            loss: The ranking loss, of z and of the LightGCN over e.
        """
        super().__init__()
        self.loss, self.num_keys = loss, num_keys
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen="zero", streams=streams
        )
        self.relation = per_domain(
            sizes,
            lambda domain, _: nn.ModuleDict(
                {
                    kind: RelationAttention(
                        dim=dim,
                        num_heads=num_heads,
                        generator=streams("init", "relation", domain, kind),
                    )
                    for kind in KINDS
                }
            ),
        )
        self.propagation = Propagation(num_layers=num_layers)
        for domain in sizes:
            for kind in KINDS:
                self.register_buffer(_keys(domain, kind), None)

    def prepare(self, train: TrainStage) -> None:
        """Choose the key nodes: those with the most edges, the first among equals."""
        for domain, data in train.graphs.items():
            for kind in KINDS:
                order = data[kind].degree.argsort(descending=True, stable=True)
                setattr(self, _keys(domain, kind), order[: self.num_keys].clone())

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node."""
        z = {}
        for domain, data in graphs.items():
            e: Embeddings = self.embedding[module_key(domain)](data)
            z[domain] = self.propagation(self._p(domain, e, data), data)
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return all terms, summed over the domains.

        ``pretraining`` ranks by the LightGCN over e, and ``l2`` is of e.
        """
        of_z, of_base, of_e, matched = {}, {}, {}, []
        for domain, rows in sorted(asked(batch, graphs).items()):
            data = graphs[domain]
            e = training_rows(self.embedding, domain)
            base, start = self.propagation.with_start(e, data, rows)
            z, p = self.propagation.with_start(self._p(domain, e, data), data, rows)
            of_z[domain], of_base[domain] = rows.triplets(z), rows.triplets(base)
            of_e[domain] = rows.triplets(start)
            pairs = zip(rows.counted(p), rows.counted(start), strict=True)
            matched += [
                matching_loss(own, found.detach(), counts)
                for (own, counts), (found, _) in pairs
            ]
        return {
            "ranking": self.loss(of_z, batch),
            "pretraining": self.loss(of_base, batch),
            "agreement": torch.stack(matched).sum(),
            "l2": over_domains(l2_loss, of_e),
        }

    def _p(self, domain: str, e: Embeddings, data: HeteroData) -> Embeddings:
        """Return p of every node of a graph; e gets no gradient from it."""
        relation = cast(nn.ModuleDict, self.relation[module_key(domain)])
        table = training_rows(self.embedding, domain)
        user, item = (
            relation[kind](
                mean_of_others(data, kind, others),
                mine.detach().index_select(0, self._keys_of(domain, kind)),
            )
            for kind, others, mine in (
                (USER, e.item, table.user),
                (ITEM, e.user, table.item),
            )
        )
        return Embeddings(user, item)

    def _keys_of(self, domain: str, kind: str) -> Int[Tensor, " keys"]:
        return self.get_buffer(_keys(domain, kind))


def _keys(domain: str, kind: str) -> str:
    """Return the name of the buffer of the key nodes."""
    return f"{kind}_{module_key(domain)}"
