"""Catalogues -> domains with every modality: encoded, precomputed and from facts."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from micrec_pyg.allowed import Seed
from micrec_pyg.features.drop import RATES, Rates, drop, hides_nothing
from micrec_pyg.features.encode import encode
from micrec_pyg.features.encoder import Encoder
from micrec_pyg.features.knowledge_graph import KnowledgeGraph, add_facts
from micrec_pyg.features.noise import replace_by_noise
from micrec_pyg.schema import Domain, DomainCatalogue

Step = Callable[[Mapping[str, Domain]], dict[str, Domain]]
"""What is done to the features of all domains, one thing after another."""


def make_features(
    catalogues: Mapping[str, DomainCatalogue],
    *,
    kg: KnowledgeGraph | None,
    drop_rate: Annotated[Rates, RATES],
    noise: bool,
    seed: Seed,
    cache_dir: str,
    **encoders: Encoder | None,
) -> dict[str, Domain]:
    """Return every catalogue as a domain with its features.

    A modality that an item lacks is masked, whatever the reason: nothing stands in for
    it. A modality that no item of a domain has is left out.

    Args:
        catalogues: By domain name.
        kg: Makes a modality of the catalogues' facts; null to leave facts out.
        drop_rate: Share of the items that lose a modality, see ``drop``.
        noise: Whether random vectors take the place of all features, see
            ``replace_by_noise``.
        seed: Decides which items lose a modality, and the random vectors.
        cache_dir: Folder that keeps encoded vectors from run to run.
        encoders: By modality (``text``, ``image``, or any other name): what encodes it;
            null to leave it out.

    Raises:
        InputError: If a modality comes from two places, facts need too much memory,
            ``drop_rate`` is impossible, or an encoder is none.
    """
    steps: list[Step] = []
    if kg is not None:
        steps.append(partial(add_facts, catalogues=catalogues, kg=kg))
    if not hides_nothing(drop_rate):
        steps.append(partial(drop, rates=drop_rate, seed=seed))
    if noise:
        steps.append(partial(replace_by_noise, seed=seed))
    domains = encode(catalogues, encoders, cache_dir=cache_dir)
    for step in steps:
        domains = step(domains)
    return domains
