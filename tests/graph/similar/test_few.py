"""A few nodes get the lists that a search among all of them would give."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from micrec_pyg.graph.similar.few import FEW, Compared, few_neighbors
from micrec_pyg.graph.similar.modalities import Modality, weighted
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.schema import Feature

WEIGHTS = {"text": 0.7, "image": 0.3}
NUM_NODES, NUM_ASKED = 90, 20


def features(seed):
    """Return features with gaps, zero vectors and many equal rows."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, width, present in (("text", 5, 0.8), ("image", 3, 0.5)):
        values = torch.randint(-1, 2, (NUM_NODES, width), generator=generator).float()
        mask = torch.rand(NUM_NODES, generator=generator) < present
        found[name] = Feature(values * mask[:, None], mask)
    return found


def part(modalities, nodes):
    return [
        Modality(m.name, m.weight, m.values[nodes], m.mask[nodes]) for m in modalities
    ]


@pytest.mark.parametrize("k", [1, 4, 200])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_lists_are_those_of_the_whole_search(seed, k):
    modalities = weighted(features(seed), WEIGHTS)
    there = torch.arange(NUM_NODES - NUM_ASKED)
    found = few_neighbors(
        Compared.of(part(modalities, torch.arange(NUM_NODES - NUM_ASKED, NUM_NODES))),
        Compared.of(part(modalities, there)),
        k=k,
    )
    for place in range(NUM_ASKED):
        nodes = torch.cat([there, torch.tensor([NUM_NODES - NUM_ASKED + place])])
        every = neighbor_lists(
            part(modalities, nodes), num_nodes=len(nodes), k=k, include_self=False
        )
        assert torch.equal(found.index[place], every.index[-1])
        assert torch.equal(found.similarity[place], every.similarity[-1])


@pytest.mark.parametrize("seed", [0, 1])
def test_a_node_that_is_there_is_never_in_its_own_list(seed):
    modalities = weighted(features(seed), WEIGHTS)
    every = neighbor_lists(modalities, num_nodes=NUM_NODES, k=4, include_self=False)
    there, rows = Compared.of(modalities), torch.arange(0, NUM_NODES, 7)
    found = few_neighbors(there.take(rows), there, k=4, oneself=rows)
    assert torch.equal(found.index, every.index[rows])
    assert torch.equal(found.similarity, every.similarity[rows])


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1])
def test_scores_are_the_weighted_cosines_however_many_ask(count):
    modalities = weighted(features(3), WEIGHTS)
    there, rows = Compared.of(modalities), torch.arange(count)
    found = there.take(rows).scores(there)
    for a in range(count):
        for b in range(NUM_NODES):
            shared = [m for m in modalities if m.mask[a] and m.mask[b]]
            weight = sum(m.weight for m in shared)
            cosines = (
                m.weight * float(cosine_similarity(m.values[a], m.values[b], dim=0))
                for m in shared
            )
            expected = sum(cosines) / weight if shared else 0.0
            assert float(found[a, b]) == pytest.approx(expected, abs=1e-6)
