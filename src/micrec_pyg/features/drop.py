"""Some items' content hidden at random: how much does a model need it?"""

import math
from collections.abc import Mapping

import torch

from micrec_pyg.allowed import Allowed, is_share
from micrec_pyg.features.domains import combined_digest, with_features
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Domain, Feature, InputError

Rates = object
"""A share in [0, 1] of every modality, or of some by name; as given, so unchecked."""

RATES = Allowed(
    "a share in [0, 1], or one by modality, such as {text: 0.5}",
    lambda rates: all(
        map(is_share, rates.values() if isinstance(rates, Mapping) else [rates])
    ),
)


def drop(domains: Mapping[str, Domain], rates: Rates, seed: int) -> dict[str, Domain]:
    """Return the domains with a share of each modality masked.

    Of the n items of a domain that have the modality, round(rate n) lose it, the first
    ones of a random order that follows from seed, domain and modality alone: what a
    rate hides, a larger one hides too. Modalities are hidden independently.

    Args:
        domains: By name.
        rates: Shares to hide.
        seed: Of the order.

    Raises:
        InputError: If a share is outside of [0, 1], or no domain has such a modality.
    """
    names = {modality for domain in domains.values() for modality in domain.features}
    share = _by_modality(rates, names)
    streams = RandomStreams(seed)
    dropped = {}
    for name, domain in domains.items():
        features = {
            modality: _hidden(feature, share[modality], streams("drop", name, modality))
            for modality, feature in domain.features.items()
        }
        dropped[name] = with_features(
            domain, features, lambda was: combined_digest("drop", was, rates, seed)
        )
    return dropped


def hides_nothing(rates: Rates) -> bool:
    """Return whether these rates hide nothing."""
    return not any(rates.values()) if isinstance(rates, Mapping) else not rates


def _by_modality(rates: Rates, names: set[str]) -> dict[str, float]:
    given = dict(rates) if isinstance(rates, Mapping) else dict.fromkeys(names, rates)
    unknown = sorted(set(given) - names)
    if unknown:
        raise InputError(
            f"features.drop_rate names {', '.join(unknown)}, which no domain has; "
            f"give any of {', '.join(sorted(names)) or 'none: there is no modality'}"
        )
    return {name: _share(name, given.get(name, 0)) for name in names}


def _share(name: str, rate: object) -> float:
    if not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise InputError(
            f"features.drop_rate of {name} is {rate}; give a share in [0, 1]"
        )
    return float(rate)


def _hidden(feature: Feature, rate: float, generator: torch.Generator) -> Feature:
    order = torch.rand(len(feature.mask), generator=generator).argsort()
    order = order[feature.mask[order]]
    mask = feature.mask.clone()
    mask[order[: math.floor(rate * len(order) + 0.5)]] = False
    return Feature(torch.where(mask[:, None], feature.values, 0.0), mask)
