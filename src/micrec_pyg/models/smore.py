"""SMORE: the content of items denoised and fused in the frequency domain.

Ong and Khong, WSDM 2025, arXiv 2412.14978.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, PartialShare, Positive
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
from micrec_pyg.nn.mlp import MLP, glorot
from micrec_pyg.nn.mlp import dropout as dropped
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.nn.spectral import SpectralFusion
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    Batch,
    DomainSize,
    Embeddings,
)

FUSED = ""
"""Name of the view of the fused content; no modality has it."""


class SMORE(Model):
    r"""LightGCN, plus what users prefer in views of the content of items.

    .. math::
        h_{i,m} = \hat S^l (e_i \odot \sigma(G_m \hat x_{i,m})), \quad
        h_{u,m} = \sum_{i \in N_u} \frac{h_{i,m}}{\sqrt{d_u d_i}}, \quad
        s = \frac{1}{|M| + 1} \Big( \sigma(P c) \odot h
        + \sum_m \sigma(P_m c) \odot \mathrm{softmax}(Q_m h) \odot h_m \Big)

    and z = c + s. c is LightGCN's vector, x are of ``SpectralFusion``, and h without
    an m is the view of the fused content. S are the similarities of items, itself
    included, over the roots of their sums. Training drops some of the sigma(P c), and
    brings s and c of a node together by a softmax of cosines.

    Deviation: all views have one list of similar items by the weighted cosine, where
    the paper has one for each modality, and their maximum for the fused view; the
    content is frozen and of length 1. New nodes start at ``unseen``.
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
        dropout: PartialShare,
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
            dropout: Share of the preferences that a training step drops, of every
                vector that it computes anew.
            temperature: Of the contrastive loss.
            loss: The ranking loss.
        """
        super().__init__()
        self.loss, self.dropout, self.temperature = loss, dropout, temperature
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
            views = self._views(domain, e, data)
            z[domain] = added(c, self._side(domain, c, views, None))
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
            s = self._side(domain, c, views, streams("dropout", domain))
            of_z[domain] = rows.triplets(added(c, s))
            agreement += agreement_losses(s, c, rows, self.temperature)
        return {
            "ranking": self.loss(of_z, batch),
            "agreement": torch.stack(agreement).sum(),
            "l2": over_domains(l2_loss, of_z),
        }

    def _views(self, domain: str, e: Embeddings, data: HeteroData) -> Views:
        """Return h of every node, by view; none in a domain without content."""
        mine = cast(_Views, self.views[module_key(domain)])
        if not mine.modalities:
            return {}
        x = {
            name: projected(self.projection, domain, name, data)
            for name in mine.modalities
        }
        gated = {name: e.item * gate for name, gate in mine.gates(x).items()}
        found: Views = self.content_views(gated, data)
        return found

    def _side(
        self,
        domain: str,
        c: Embeddings,
        views: Views,
        generator: torch.Generator | None,
    ) -> Embeddings:
        """Return s of the nodes whose c and h are given."""
        mine = cast(_Views, self.views[module_key(domain)])

        def drop(gate: Tensor) -> Tensor:
            return dropped(gate, self.dropout, generator)

        return side_of(c, views, lambda x, h: mine.preferred(x, h, drop))


class _Views(nn.Module):
    """The layers of one domain that make views, and weigh them."""

    def __init__(
        self, modalities: list[str], *, dim: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.modalities = modalities
        names = [*modalities, FUSED] if modalities else []
        self.fusion = SpectralFusion(modalities, dim=dim, generator=generator)
        self.gate, self.preference = (
            nn.ModuleDict({module_key(n): glorot(dim, dim, generator) for n in names})
            for _ in range(2)
        )
        self.query = nn.ModuleDict(
            {
                module_key(name): MLP(
                    [dim, dim, dim], activation=torch.tanh, generator=generator
                )
                for name in modalities
            }
        )

    def gates(
        self, x: Mapping[str, Float[Tensor, "items dim"]]
    ) -> dict[str, Float[Tensor, "items dim"]]:
        """Return sigma(G x) by view, of the denoised and of the fused content."""
        own, fused = self.fusion(x)
        return {
            name: torch.sigmoid(self.gate[module_key(name)](each))
            for name, each in (*own.items(), (FUSED, fused))
        }

    def preferred(
        self,
        c: Float[Tensor, "nodes dim"],
        h: Mapping[str, Float[Tensor, "nodes dim"]],
        drop: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "nodes dim"]:
        """Return s, with the preferences after ``drop``."""
        parts = []
        for name, view in h.items():
            gate = drop(torch.sigmoid(self.preference[module_key(name)](c)))
            if name != FUSED:
                view = view * self.query[module_key(name)](h[FUSED]).softmax(1)
            parts.append(gate * view)
        return torch.stack(parts).mean(0)
