"""MGCN: the content of items purified by behaviour, in a view of each modality.

Yu et al., MM 2023, arXiv 2308.03588.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.alignment import agreement_losses
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.content_views import ContentViews, Views, added, side_of
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.item_content import modality_layers, projected
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.mlp import glorot
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


class MGCN(Model):
    r"""LightGCN, plus what views of the content share and what each has of its own.

    .. math::
        h_{i,m} = \hat S^l (e_i \odot \sigma(G_m x_{i,m})), \quad
        h_{u,m} = \sum_{i \in N_u} \frac{h_{i,m}}{\sqrt{d_u d_i}}, \quad
        h = \sum_m \mathrm{softmax}_m(q \cdot \tanh(A h_m)) h_m

    .. math::
        s = h + \frac{1}{|M|} \sum_m \sigma(P_m c) \odot (h_m - h)

    and z = c + s. x are linear maps of the content, c is LightGCN's vector. S are the
    similarities of items, itself included, over the roots of their sums. Training
    brings s and c of a node together by a softmax of cosines.

    Deviation: all views have one list of similar items by the weighted cosine, where
    the paper has one for each modality; the content is frozen and of length 1. s is
    the paper's; their code divides the sum of h and the parts of all modalities by
    |M| + 1. New nodes start at ``unseen``.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
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
        unseen: Unseen,
        num_layers: Layers,
        num_item_layers: Layers,
        temperature: Positive,
        loss: RankingLoss,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and layer.
            dim: Width of the vectors.
            std: Standard deviation of the start values of e.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: Of LightGCN.
            num_item_layers: l, on the graph of similar items.
            temperature: Of the contrastive loss.
            loss: The ranking loss.
        """
        super().__init__()
        self.loss, self.temperature = loss, temperature
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.projection = modality_layers(sizes, dim=dim, streams=streams)
        self.views = per_domain(
            sizes,
            lambda domain, size: _Views(
                sorted(size.widths), dim=dim, generator=streams("init", "view", domain)
            ),
        )
        self.propagation = Propagation(num_layers=num_layers)
        self.content_views = ContentViews(num_layers=num_item_layers)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node."""
        z = {}
        for domain, data in graphs.items():
            e: Embeddings = self.embedding[module_key(domain)](data)
            c = self.propagation(e, data)
            s = self._side(domain, c, self._views(domain, e, data))
            z[domain] = added(c, s)
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking``, ``agreement`` and ``l2``, summed over the domains."""
        of_z, agreement = {}, []
        for domain, rows in sorted(asked(batch, graphs).items()):
            data = graphs[domain]
            e = training_rows(self.embedding, domain)
            c: Embeddings = self.propagation(e, data, rows)
            views = {n: take(h, rows) for n, h in self._views(domain, e, data).items()}
            s = self._side(domain, c, views)
            of_z[domain] = rows.triplets(added(c, s))
            agreement += agreement_losses(s, c, rows, self.temperature)
        return {
            "ranking": self.loss(of_z, batch),
            "agreement": torch.stack(agreement).sum(),
            "l2": over_domains(l2_loss, of_z),
        }

    def _views(self, domain: str, e: Embeddings, data: HeteroData) -> Views:
        """Return h of every node, by modality; none in a domain without content."""
        mine = cast(_Views, self.views[module_key(domain)])
        if not mine.modalities:
            return {}
        gated = {
            name: e.item
            * mine.purified(name, projected(self.projection, domain, name, data))
            for name in mine.modalities
        }
        found: Views = self.content_views(gated, data)
        return found

    def _side(self, domain: str, c: Embeddings, views: Views) -> Embeddings:
        """Return s of the nodes whose c and h are given."""
        return side_of(c, views, cast(_Views, self.views[module_key(domain)]).fused)


class _Views(nn.Module):
    """The layers of one domain that make views, and fuse them."""

    def __init__(
        self, modalities: list[str], *, dim: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.modalities = modalities
        if not modalities:
            return
        self.gate, self.preference = (
            nn.ModuleDict(
                {module_key(name): glorot(dim, dim, generator) for name in modalities}
            )
            for _ in range(2)
        )
        self.attention = glorot(dim, dim, generator)
        self.query = glorot(dim, 1, generator, bias=False)

    def purified(
        self, name: str, x: Float[Tensor, "items dim"]
    ) -> Float[Tensor, "items dim"]:
        """Return sigma(G x), the gate of a modality."""
        gate: Tensor = torch.sigmoid(self.gate[module_key(name)](x))
        return gate

    def fused(
        self,
        c: Float[Tensor, "nodes dim"],
        h: Mapping[str, Float[Tensor, "nodes dim"]],
    ) -> Float[Tensor, "nodes dim"]:
        """Return s."""
        views = torch.stack(list(h.values()))
        shares = self.query(torch.tanh(self.attention(views))).softmax(0)
        shared: Tensor = (shares * views).sum(0)
        own = [
            torch.sigmoid(self.preference[module_key(name)](c)) * (view - shared)
            for name, view in h.items()
        ]
        return shared + torch.stack(own).mean(0)
