"""Noise in place of every feature: what neighbours give without any content.

A control. A gain that stays is smoothing over random edges, not the content.
"""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from micrec_pyg.features.domains import with_features
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Domain, Feature


def replace_by_noise(domains: Mapping[str, Domain], seed: int) -> dict[str, Domain]:
    """Return the domains with random vectors in all modalities.

    Width and mask of a modality stay, also of precomputed ones, so that a run
    differs from that with real features in the content alone. The vectors are drawn
    from N(0, 1), one per item: items with the same text get different ones.

    Args:
        domains: By name.
        seed: Of the vectors; each domain and modality has a stream of its own.
    """
    streams = RandomStreams(seed)
    return {
        name: with_features(
            domain,
            {
                modality: _random(feature, streams("noise", name, modality))
                for modality, feature in domain.features.items()
            },
            lambda was: hashlib.sha256(f"noise {seed} {was}".encode()).hexdigest(),
        )
        for name, domain in domains.items()
    }


def _random(feature: Feature, generator: torch.Generator) -> Feature:
    drawn: Tensor = torch.randn(feature.values.shape, generator=generator)
    return Feature(torch.where(feature.mask[:, None], drawn, 0.0), feature.mask)
