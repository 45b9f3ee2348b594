"""Noise in place of every feature: what neighbours give without any content.

A control. A gain that stays is smoothing over random edges, not the content.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from micrec_pyg.features.cache import Encoder
from micrec_pyg.features.drop import Rates
from micrec_pyg.features.item_features import item_features
from micrec_pyg.features.knowledge_graph import KnowledgeGraph
from micrec_pyg.schema import Catalogue, Domain, Feature, RandomStreams


def noise(
    catalogues: Mapping[str, Catalogue],
    *,
    text: Encoder | None,
    image: Encoder | None,
    kg: KnowledgeGraph | None,
    drop_rate: Rates,
    seed: int,
    cache_dir: str,
) -> dict[str, Domain]:
    """Return the domains of ``item_features`` with random vectors in all modalities.

    Width and mask of a modality stay, also of precomputed ones, so that a run
    differs from that with real features in the content alone. The vectors are drawn
    from N(0, 1), one per item: items with the same text get different ones.

    Args:
        catalogues: By domain name.
        text: As in ``item_features``; it decides width and mask.
        image: As in ``item_features``.
        kg: As in ``item_features``.
        drop_rate: As in ``item_features``.
        seed: Of the vectors; each domain and modality has a stream of its own. It
            also decides which items lose a modality, as in ``item_features``.
        cache_dir: As in ``item_features``; holds real vectors only.

    Raises:
        InputError: See ``item_features``.
    """
    domains = item_features(
        catalogues,
        text=text,
        image=image,
        kg=kg,
        drop_rate=drop_rate,
        seed=seed,
        cache_dir=cache_dir,
    )
    streams = RandomStreams(seed)
    return {
        name: replace(
            domain,
            features={
                modality: _random(feature, streams("noise", name, modality))
                for modality, feature in domain.features.items()
            },
            digest=hashlib.sha256(f"noise {seed} {domain.digest}".encode()).hexdigest(),
        )
        for name, domain in domains.items()
    }


def _random(feature: Feature, generator: torch.Generator) -> Feature:
    drawn: Tensor = torch.randn(feature.values.shape, generator=generator)
    return Feature(torch.where(feature.mask[:, None], drawn, 0.0), feature.mask)
