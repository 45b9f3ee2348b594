"""Hidden shares: exact, nested, seeded, and of modalities alone."""

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
import torch

from micrec_pyg.features.drop import drop, hides_nothing
from micrec_pyg.schema import Domain, Feature, InputError, Interactions, Vocab

NOBODY = Interactions(
    user=torch.zeros(0, dtype=torch.int64),
    item=torch.zeros(0, dtype=torch.int64),
    users=Vocab(pl.Series([], dtype=pl.String)),
    items=Vocab(pl.Series([], dtype=pl.String)),
)


def features(num_items: int = 40) -> dict[str, dict[str, Feature]]:
    """Two domains with text of three quarters of the items, and images of all."""
    mask = torch.arange(num_items) % 4 > 0
    text = Feature(torch.where(mask[:, None], torch.ones(num_items, 3), 0.0), mask)
    image = Feature(torch.full((num_items, 2), 2.0), torch.ones(num_items) > 0)
    return {name: {"text": text, "image": image} for name in ("food", "kitchen")}


def dropped(
    given: Mapping[str, Mapping[str, Feature]], rates: Any, seed: int
) -> dict[str, Mapping[str, Feature]]:
    """Return the features of domains that have these; absent modalities are back."""
    domains = {name: Domain(name, NOBODY, each, "d") for name, each in given.items()}
    found = drop(domains, rates, seed)
    return {
        name: {m: domain.features.get(m, gone(given[name][m])) for m in given[name]}
        for name, domain in found.items()
    }


def gone(feature: Feature) -> Feature:
    return Feature(torch.zeros_like(feature.values), feature.mask & False)


def hidden(given: Any, rates: Any, seed: int = 0) -> dict[tuple[str, str], set[int]]:
    """Return the items that lost each modality."""
    found = dropped(given, rates, seed)
    return {
        (name, modality): set(
            (feature.mask & ~found[name][modality].mask).nonzero().flatten().tolist()
        )
        for name, each in given.items()
        for modality, feature in each.items()
    }


@pytest.mark.parametrize("rate", [0, 0.01, 0.25, 0.5, 1.0])
def test_a_share_of_those_that_have_it_is_hidden(rate: float) -> None:
    lost = hidden(features(), rate)
    for (_, modality), items in lost.items():
        present = 30 if modality == "text" else 40
        assert len(items) == int(Fraction(rate) * present + Fraction(1, 2))


def test_only_masks_decide_and_what_is_left_is_untouched() -> None:
    given = features()
    for name, each in dropped(given, 0.5, 0).items():
        for modality, feature in each.items():
            before = given[name][modality]
            assert not (feature.mask & ~before.mask).any()
            assert feature.values[feature.mask].equal(before.values[feature.mask])
            assert not feature.values[~feature.mask].any()
    assert given["food"]["image"].mask.all()


def test_a_larger_rate_hides_what_a_smaller_one_does() -> None:
    curve = [hidden(features(), rate) for rate in (0.1, 0.3, 0.6, 0.9)]
    for less, more in itertools.pairwise(curve):
        assert all(less[key] < more[key] for key in less)


def test_seed_domain_and_modality_have_an_order_each() -> None:
    lost = hidden(features(), 0.5)
    assert lost == hidden(features(), 0.5)
    other = hidden(features(), 0.5, seed=1)
    assert all(lost[key] != other[key] for key in lost)
    assert lost["food", "text"] != lost["kitchen", "text"]
    assert lost["food", "text"] != {i for i in lost["food", "image"] if i % 4}
    # another modality, or domain, shifts nothing
    alone = {"food": {"text": features()["food"]["text"]}}
    assert hidden(alone, 0.5)["food", "text"] == lost["food", "text"]


def test_rates_by_name_hide_these_alone() -> None:
    lost = hidden(features(), {"text": 0.5})
    assert lost["food", "text"] == hidden(features(), 0.5)["food", "text"]
    assert lost["food", "image"] == set()


def test_nothing_is_nothing() -> None:
    assert hides_nothing(0)
    assert hides_nothing({"text": 0.0})
    assert hides_nothing({})
    assert not hides_nothing(0.1)
    assert not hides_nothing({"text": 0, "image": 1})


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (1.5, r"of \w+ is 1.5; give a share in \[0, 1\]"),
        (-0.5, "is -0.5"),
        (float("nan"), "is nan"),
        ({"text": "half"}, "of text is half"),
        ({"txt": 0.5}, "names txt, which no domain has; give any of image, text"),
    ],
)
def test_impossible_rates_are_refused(rates: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dropped(features(), rates, 0)
