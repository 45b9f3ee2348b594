"""Templates of every domain, with the auxiliary loss that trains them."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.self_enhanced import SelfEnhancedLoss
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import DomainSize, Embeddings, Triplets


class TemplateEncoder(nn.Module):
    """INMO's way from a graph to vectors of its nodes, for all domains.

    A ``TemplateEmbedding`` and a ``SelfEnhancedLoss`` per domain.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: int,
        std: float,
        dropout: float,
        alpha_decay: float,
    ) -> None:
        """Draw the templates of every domain from the stream ``init`` of its own.

        Args:
            sizes: Numbers of templates, by domain.
            streams: Draw the start values.
            dim: Width d.
            std: Standard deviation of the start values.
            dropout: p of the template layer.
            alpha_decay: Factor of the template layer's alpha per epoch.
        """
        super().__init__()
        self.template = per_domain(
            sizes,
            lambda domain, size: TemplateEmbedding(
                size=size,
                dim=dim,
                std=std,
                dropout=dropout,
                alpha_decay=alpha_decay,
                generator=streams("init", domain),
            ),
        )
        self.self_enhanced = per_domain(
            sizes, lambda domain, size: SelfEnhancedLoss(dim=dim)
        )

    def anneal(self, epoch: int) -> None:
        """Set the normalisation of an epoch, counted from 0."""
        for template in self.template.values():
            cast(TemplateEmbedding, template).anneal(epoch)

    def forward(
        self, domain: str, data: HeteroData, streams: RandomStreams | None
    ) -> Embeddings:
        """Return h of every node of a domain's graph.

        Args:
            domain: Whose templates are summed.
            data: Any graph over these templates.
            streams: Draw the dropout masks; None drops nothing.
        """
        h: Embeddings = self.template[module_key(domain)](data, domain, streams)
        return h

    def loss(self, triplets: Mapping[str, Triplets]) -> Tensor:
        """Return the self-enhanced loss, summed over the domains.

        Args:
            triplets: In template rows, by domain; at least one domain.
        """
        keys = {domain: module_key(domain) for domain in sorted(triplets)}
        terms = [
            self.self_enhanced[key](self.template[key], triplets[domain])
            for domain, key in keys.items()
        ]
        return torch.stack(terms).sum()
