"""BM3: users, items and their content agree, without any negative.

Zhou et al., WWW 2023, arXiv 2207.05969.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, PartialShare, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import NodeRows
from micrec_pyg.nn.cosine import cosine_loss
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.item_content import has_content, modality_layers, projected
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.mlp import dropout, glorot
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


class BM3(Model):
    r"""Predict the items of users from noisy copies of their vectors, and back.

    .. math::
        z_u = \frac{1}{L + 1} \sum_l \hat A^l e, \quad
        z_i = \frac{1}{L + 1} \sum_l \hat A^l e + e_i, \quad
        m_i = W x_i

    f is a linear layer and a bar drops some numbers and stops the gradient. With
    C(a, b) = 1 - cos(f(a), b), the loss of a user and a positive is
    :math:`C(z_u, \bar z_i) + C(z_i, \bar z_u)`; of the content of the item, for each
    modality, :math:`C(m_i, \bar z_i) + C(m_i, \bar m_i)`. Scores are products of f(z).

    Deviation: what is dropped is drawn for each pair of the batch; the content is
    frozen, and of length 1; items that lack a modality take no part in its loss; L2 is
    half the mean squared norm of z in the batch. New nodes start at ``unseen``.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "bootstrap": "triplets",
        "content": "triplets",
        "l2": "triplets",
    }
    divisible: ClassVar[frozenset[Part]] = frozenset()  # dropout draws for every row

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
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width of the vectors.
            std: Standard deviation of their start values.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: L.
            dropout: Share of the numbers that a noisy copy lacks.
        """
        super().__init__()
        self.dropout = dropout
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.modalities = {d: sorted(size.widths) for d, size in sizes.items()}
        self.projection = modality_layers(sizes, dim=dim, streams=streams)
        self.predictor = per_domain(
            sizes, lambda domain, _: glorot(dim, dim, streams("init", "f", domain))
        )
        self.propagation = Propagation(num_layers=num_layers)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return f(z) of every node."""
        found = {}
        for domain, data in graphs.items():
            e: Embeddings = self.embedding[module_key(domain)](data)
            z = self.propagation(e, data)
            f: nn.Module = self.predictor[module_key(domain)]
            found[domain] = Embeddings(user=f(z.user), item=f(z.item + e.item))
        return found

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``bootstrap``, ``content`` and ``l2``, summed over the domains."""
        bootstrap, of_content, of_z = [], [], {}
        for domain, given in sorted(batch.triplets.items()):
            rows = NodeRows(user=given.user, item=given.pos, shared={})
            user, item = self._z(domain, graphs[domain], rows)
            noisy_user, noisy_item = (
                self._noisy(domain, z, streams) for z in (user, item)
            )
            bootstrap += [
                self._error(domain, user, noisy_item),
                self._error(domain, item, noisy_user),
            ]
            for name in self.modalities[domain]:
                m = projected(self.projection, domain, name, graphs[domain], given.pos)
                has = has_content(graphs[domain], [name], given.pos)
                of_content += [
                    self._error(domain, m, noisy_item, has),
                    self._error(domain, m, self._noisy(domain, m, streams), has),
                ]
            of_z[domain] = (user, item, item[:0])
        total = torch.stack(bootstrap).sum()
        return {
            "bootstrap": total,
            "content": (
                torch.stack(of_content).sum() if of_content else torch.zeros_like(total)
            ),
            "l2": over_domains(l2_loss, of_z),
        }

    def _z(
        self, domain: str, data: HeteroData, rows: NodeRows
    ) -> tuple[Tensor, Tensor]:
        """Return z of the users and items of a batch."""
        table = training_rows(self.embedding, domain)
        z, start = self.propagation.with_start(table, data, rows)
        return z.user, z.item + start.item

    def _noisy(self, domain: str, z: Tensor, streams: RandomStreams) -> Tensor:
        return dropout(z.detach(), self.dropout, streams("dropout", domain))

    def _error(
        self, domain: str, online: Tensor, target: Tensor, has: Tensor | None = None
    ) -> Tensor:
        """Return C, the mean over the rows of a batch, or over those that ``has``."""
        return cosine_loss(self.predictor[module_key(domain)](online), target, has)
