"""Catalogues -> domains with every modality: encoded, precomputed and from facts."""

from collections.abc import Mapping
from dataclasses import replace

from micrec_pyg.features.cache import Encoder
from micrec_pyg.features.drop import Rates, drop, nothing
from micrec_pyg.features.encode import encode, present
from micrec_pyg.features.knowledge_graph import KG, KnowledgeGraph
from micrec_pyg.schema import Catalogue, Domain, InputError
from micrec_pyg.storage.digests import json_digest


def item_features(
    catalogues: Mapping[str, Catalogue],
    *,
    text: Encoder | None,
    image: Encoder | None,
    kg: KnowledgeGraph | None,
    drop_rate: Rates,
    seed: int,
    cache_dir: str,
) -> dict[str, Domain]:
    """Return every catalogue as a domain with its features.

    A modality that an item lacks is masked, whatever the reason: nothing stands in for
    it. A modality that no item of a domain has is left out.

    Args:
        catalogues: By domain name.
        text: Encodes the items' texts; null to leave texts out.
        image: Encodes the items' image files; null to leave images out.
        kg: Makes a modality of the catalogues' facts; null to leave facts out.
        drop_rate: Share of the items that lose a modality, see ``drop``.
        seed: Decides which items lose it.
        cache_dir: Folder that keeps encoded vectors from run to run.

    Raises:
        InputError: If a modality comes from two places, facts need too much memory,
            or ``drop_rate`` is impossible.
    """
    domains = encode(catalogues, text=text, image=image, cache_dir=cache_dir)
    if kg is not None:
        domains = _with_facts(domains, catalogues, kg)
    if nothing(drop_rate):
        return domains
    features = {name: domain.features for name, domain in domains.items()}
    hidden = drop(features, drop_rate, seed)
    return {
        name: replace(
            domain,
            features=present(name, hidden[name]),
            digest=_digest("drop", domain.digest, drop_rate, seed),
        )
        for name, domain in domains.items()
    }


def _with_facts(
    domains: Mapping[str, Domain],
    catalogues: Mapping[str, Catalogue],
    kg: KnowledgeGraph,
) -> dict[str, Domain]:
    """Return the domains with the modality of their facts, where they have some."""
    found = kg.features(catalogues)
    for name in found:
        if KG in catalogues[name].vectors:
            raise InputError(
                f"domain '{name}' brings vectors named '{KG}' and facts, which would "
                "make a modality of that name; rename the vectors, or set "
                "features.kg=null"
            )
    # the counts are over all domains
    sources = {name: catalogue.digest for name, catalogue in catalogues.items()}
    return {
        name: replace(
            domain,
            features=present(name, {**domain.features, KG: found[name]}),
            digest=_digest(KG, domain.digest, kg.min_items, sources),
        )
        if name in found
        else domain
        for name, domain in domains.items()
    }


def _digest(*parts: object) -> str:
    return json_digest(parts)
