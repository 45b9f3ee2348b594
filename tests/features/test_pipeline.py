"""Encoded, precomputed and fact modalities together, and their digests."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from micrec_pyg.features import make_features
from micrec_pyg.features.encode import encode
from micrec_pyg.features.knowledge_graph import KnowledgeGraph
from micrec_pyg.schema import Domain, Feature, InputError

KG = KnowledgeGraph(min_items=2, max_gib=1.0)
FACTS = pl.DataFrame(
    {"item": [0, 1, 2], "relation": ["r"] * 3, "entity": ["a", "a", "b"]}
)


@pytest.fixture
def make(make_catalogue: Any, counting: Any, tmp_path: Path) -> Any:
    """Features of two domains: text, a precomputed modality, and facts of one."""

    def make(*, vectors: Any = None, facts: Any = FACTS, **given: Any) -> Any:
        audio = Feature(torch.ones(4, 3), torch.tensor([True, True, True, False]))
        catalogues = {
            "food": make_catalogue(
                "food",
                texts=["apple", "fig", None, "beans"],
                vectors=vectors or {"audio": audio},
                facts=facts,
            ),
            "kitchen": make_catalogue("kitchen", texts=["pan", "spoon", "pot", "lid"]),
        }
        defaults = {"text": counting(), "image": None, "kg": KG, "drop_rate": 0}
        given = {
            **defaults,
            "noise": False,
            "seed": 0,
            "cache_dir": str(tmp_path),
            **given,
        }
        return make_features(catalogues, **given), catalogues

    return make


def masks(domains: dict[str, Domain]) -> dict[tuple[str, str], list[bool]]:
    return {
        (name, modality): feature.mask.tolist()
        for name, domain in domains.items()
        for modality, feature in domain.features.items()
    }


def test_every_source_is_a_modality(make: Any) -> None:
    domains, _ = make()
    assert masks(domains) == {
        ("food", "text"): [True, True, False, True],
        ("food", "audio"): [True, True, True, False],
        ("food", "kg"): [True, True, False, False],
        ("kitchen", "text"): [True] * 4,
    }


def test_without_facts_and_drops_it_is_encode(
    make: Any, counting: Any, tmp_path: Path
) -> None:
    domains, catalogues = make(facts=None)
    plain = encode(catalogues, {"text": counting()}, cache_dir=str(tmp_path))
    assert {n: d.digest for n, d in domains.items()} == {
        n: d.digest for n, d in plain.items()
    }
    assert masks(domains) == masks(plain)


def test_a_hidden_share_is_masked_in_every_modality(make: Any) -> None:
    domains, _ = make(drop_rate=0.5)
    counts = {key: sum(mask) for key, mask in masks(domains).items()}
    # round half up: 2 of 3, 2 of 3, 1 of 2, 2 of 4 are hidden
    assert counts == {
        ("food", "text"): 1,
        ("food", "audio"): 1,
        ("food", "kg"): 1,
        ("kitchen", "text"): 2,
    }


def test_a_modality_that_is_hidden_altogether_is_left_out(make: Any) -> None:
    domains, _ = make(drop_rate={"text": 1.0})
    assert set(masks(domains)) == {("food", "audio"), ("food", "kg")}


def test_the_digest_covers_facts_and_what_is_hidden(make: Any) -> None:
    other = KnowledgeGraph(min_items=3, max_gib=1.0)
    variants = [
        make()[0],
        make(kg=None)[0],
        make(kg=other)[0],
        make(drop_rate=0.5)[0],
        make(drop_rate={"text": 0.5})[0],
        make(drop_rate=0.5, seed=1)[0],
    ]
    digests = [each["food"].digest for each in variants]
    assert len(set(digests)) == len(digests)
    assert make(drop_rate=0.5)[0]["food"].digest == digests[3]
    # the seed of what nothing is hidden by, and a limit, decide nothing
    assert make(seed=1)[0]["food"].digest == digests[0]
    large = KnowledgeGraph(min_items=2, max_gib=2.0)
    assert make(kg=large)[0]["food"].digest == digests[0]


def test_vectors_must_not_be_called_as_the_facts_are(make: Any) -> None:
    table = {"kg": Feature(torch.ones(4, 1), torch.ones(4) > 0)}
    with pytest.raises(InputError, match=r"'food' brings vectors named 'kg'"):
        make(vectors=table)
    domains, _ = make(vectors=table, kg=None)
    assert domains["food"].features["kg"] is table["kg"]


def test_batch_size_and_device_are_not_in_the_digest(make: Any, counting: Any) -> None:
    found = []
    for batch_size, device in ((32, "cpu"), (8, "cuda"), (8, "cpu")):
        text = counting()
        text.settings = {"salt": 0, "batch_size": batch_size, "device": device}
        found.append(make(text=text, drop_rate=0.5, noise=True)[0])
    usual, cuda, cpu = found

    for name in ("food", "kitchen"):
        assert usual[name].digest == cuda[name].digest == cpu[name].digest
