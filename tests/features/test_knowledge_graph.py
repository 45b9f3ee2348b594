"""The modality of facts, against a loop over facts."""

import random
from typing import Any

import polars as pl
import pytest
import torch
from reference import facts as reference

from micrec_pyg.features.knowledge_graph import KnowledgeGraph
from micrec_pyg.schema import InputError

SCHEMA = {"item": pl.Int64, "relation": pl.String, "entity": pl.String}


def kg(min_items: int = 2, max_gib: float = 1.0) -> KnowledgeGraph:
    return KnowledgeGraph(min_items=min_items, max_gib=max_gib)


@pytest.fixture
def make(make_catalogue: Any) -> Any:
    """Catalogues of facts by domain; None is a catalogue without a graph."""

    def make(num_items: int = 8, **facts: Any) -> dict[str, Any]:
        return {
            name: make_catalogue(
                name,
                texts=[None] * num_items,
                facts=None
                if each is None
                else pl.DataFrame(each, schema=SCHEMA, orient="row"),
            )
            for name, each in facts.items()
        }

    return make


def random_facts(seed: int) -> list[tuple[int, str, str]]:
    draw = random.Random(seed)
    some = {
        (draw.randrange(7), draw.choice("rst"), draw.choice("vwxyz")) for _ in range(40)
    }
    return sorted(some)


@pytest.mark.parametrize("min_items", [2, 3, 6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cosines_equal_the_definition_over_all_domains(
    make: Any, min_items: int, seed: int
) -> None:
    facts = {"food": random_facts(seed), "kitchen": random_facts(seed + 10)}

    features = kg(min_items).features(make(**facts))

    nodes = [(name, item) for name in facts for item in range(8)]
    oracle = {node: reference.vector(facts, *node, min_items) for node in nodes}
    mask = torch.cat([features[name].mask for name in facts])
    assert mask.tolist() == [bool(oracle[node]) for node in nodes]
    values = torch.cat([features[name].values for name in facts]).double()
    found = values @ values.T
    expected = torch.tensor(
        [[reference.cosine(oracle[a], oracle[b]) for b in nodes] for a in nodes]
    ).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert values.shape[1] == len(reference.weights(facts, min_items))


def test_by_hand(make: Any) -> None:
    # item 7 has no fact; all have z; 0 and 1 alone share a; 1 and 2 alone share b
    facts = [(item, "r", "z") for item in range(4)]
    facts += [(0, "r", "a"), (1, "r", "a"), (1, "r", "b"), (2, "r", "b"), (2, "s", "a")]

    feature = kg().features(make(food=facts))["food"]

    assert feature.mask.tolist() == [True, True, True, *[False] * 5]
    half = 0.5**0.5
    expected = torch.tensor([[1, 0], [half, half], [0, 1]])
    torch.testing.assert_close(feature.values[:3], expected)
    assert not feature.values[3:].any()


def test_a_domain_without_a_graph_has_no_such_modality(make: Any) -> None:
    facts = [(0, "r", "a"), (1, "r", "a"), (2, "r", "b")]
    found = kg().features(make(food=facts, kitchen=None))
    assert list(found) == ["food"]
    assert found["food"].mask.tolist() == [True, True, *[False] * 6]
    assert kg().features(make(kitchen=None)) == {}


def test_too_large_a_table_is_refused_and_what_would_fit_is_named(make: Any) -> None:
    # facts of 2, 3, ..., 7 items; 8 items and one user
    facts = [(item, "r", str(n)) for n in range(2, 8) for item in range(n)]
    facts.append((7, "r", "alone"))
    room = 3 * 9 * 4 / 2**30  # for three facts

    with pytest.raises(InputError, match=r"6 facts.*9 items.*min_items=5,") as caught:
        kg(max_gib=room).features(make(food=facts))

    assert "features.kg=null" in str(caught.value)
    feature = kg(min_items=5, max_gib=room).features(make(food=facts))["food"]
    assert feature.values.shape == (8, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"min_items": 1}, "min_items is 1"), ({"max_gib": 0.0}, "max_gib is 0")],
)
def test_impossible_options_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        kg(**given)
