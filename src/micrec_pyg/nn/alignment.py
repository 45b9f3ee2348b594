"""Vectors of one node, or of one person in two domains, brought together."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from micrec_pyg.nn.batch_rows import NodeRows
from micrec_pyg.nn.losses import contrastive_loss, matching_loss
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.projection import ProjectionHead
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Batch, DomainSize, Embeddings


def projection_heads(
    sizes: Mapping[str, DomainSize], *, dim: int, streams: RandomStreams
) -> nn.ModuleDict:
    """Return a projection head for every domain.

    Args:
        sizes: Names the domains.
        dim: Width d.
        streams: Draw the start values, a stream per domain.
    """
    return per_domain(
        sizes,
        lambda domain, size: ProjectionHead(
            dim=dim, generator=streams("init", "head", domain)
        ),
    )


def alignment_loss(
    head: nn.ModuleDict,
    z: Mapping[str, Embeddings],
    rows: Mapping[str, NodeRows],
    batch: Batch,
    temperature: float,
) -> Tensor:
    """Return the contrastive loss of the shared users, mean over the pairs of domains.

    Args:
        head: Of every domain, see ``projection_heads``.
        z: Of the nodes in ``rows``, by domain.
        rows: Where the shared users of every pair stand in z.
        batch: Names the pairs.
        temperature: tau.
    """
    terms = []
    for pair in sorted(batch.overlap):
        first, second = (
            head[module_key(domain)](rows[domain].shared_users(z[domain], pair))
            for domain in pair
        )
        terms.append(contrastive_loss(first, second, temperature))
    return torch.stack(terms).mean()


def agreement_losses(
    own: Embeddings, other: Embeddings, rows: NodeRows, temperature: float
) -> list[Tensor]:
    """Return what brings two vectors of a node together, of users and of positives.

    A softmax of cosines over the nodes of the batch.

    Args:
        own: Of the nodes in ``rows``.
        other: Of the same nodes.
        rows: Says which nodes the triplets name, and how often.
        temperature: tau.
    """
    return [
        matching_loss(
            functional.normalize(first, dim=1) / temperature,
            functional.normalize(second, dim=1),
            counts,
        )
        for (first, counts), (second, _) in zip(
            rows.counted(own), rows.counted(other), strict=True
        )
    ]
