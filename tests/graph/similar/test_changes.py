"""Lists after changes are those of a search among all nodes."""

import pytest
import torch

from micrec_pyg.graph.similar import changes
from micrec_pyg.graph.similar.changes import changed_lists
from micrec_pyg.graph.similar.few import Compared
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.search import neighbor_lists

WEIGHTS = {"image": 0.3, "text": 0.7}
WIDTHS = {"image": 3, "text": 5}
START, STEPS = 120, 12


def drawn(count, generator):
    """Return vectors and masks with gaps, zero vectors and many equal rows."""
    found = {}
    for name, width in WIDTHS.items():
        values = torch.randint(-1, 2, (count, width), generator=generator).float()
        mask = torch.rand(count, generator=generator) < 0.8
        found[name] = values * mask[:, None], mask
    return found


def compared(nodes):
    return Compared.of(
        [Modality(name, WEIGHTS[name], *nodes[name]) for name in sorted(nodes)]
    )


def step(nodes, generator):
    """Return the nodes after one change, and which of them are new or differ."""
    size = len(nodes["text"][1])
    more = int(torch.randint(4, (1,), generator=generator))
    touched = torch.randperm(size, generator=generator)[: 5 - more]
    new = drawn(more + len(touched), generator)
    changed = torch.cat([touched, torch.arange(size, size + more)])
    after = {}
    for name, (values, mask) in nodes.items():
        values = torch.cat([values, new[name][0][:more]])
        mask = torch.cat([mask, new[name][1][:more]])
        if torch.rand((), generator=generator) < 0.5:  # it leaves: nothing is known
            values[touched], mask[touched] = 0.0, False
        else:
            values[touched], mask[touched] = (part[more:] for part in new[name])
        after[name] = values, mask
    return after, changed


@pytest.mark.parametrize("include_self", [False, True])
@pytest.mark.parametrize("k", [1, 3, 200])
def test_they_are_those_of_a_search_of_all(k, include_self, monkeypatch):
    searched = []
    monkeypatch.setattr(
        changes,
        "neighbor_lists",
        lambda *a, **b: searched.append(1) or neighbor_lists(*a, **b),
    )
    generator = torch.Generator().manual_seed(k)
    nodes = drawn(START, generator)
    lists = neighbor_lists(
        compared(nodes).modalities, num_nodes=START, k=k, include_self=include_self
    )
    for _ in range(STEPS):
        nodes, changed = step(nodes, generator)
        now = compared(nodes)
        lists = changed_lists(lists, now, changed, include_self=include_self)
        every = neighbor_lists(
            now.modalities, num_nodes=len(now), k=k, include_self=include_self
        )
        assert torch.equal(lists.index, every.index)
        assert torch.equal(lists.similarity, every.similarity)
    assert len(searched) < STEPS / 2  # most changes are few enough to follow


def test_many_changes_are_a_search_of_all():
    generator = torch.Generator().manual_seed(0)
    nodes = drawn(40, generator)
    now = compared(nodes)
    empty = neighbor_lists([], num_nodes=40, k=3, include_self=False)
    found = changed_lists(empty, now, torch.arange(40), include_self=False)
    every = neighbor_lists(now.modalities, num_nodes=40, k=3, include_self=False)
    assert torch.equal(found.index, every.index)
