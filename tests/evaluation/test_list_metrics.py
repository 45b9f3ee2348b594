"""Metrics of lists and of catalogues against naive loops and PyG's own."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import metrics as reference
from torch import Tensor
from torch_geometric import metrics as pyg
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.list_metrics import (
    BLOCK,
    ItemFacts,
    catalogue_metrics,
    item_facts,
    list_metrics,
)
from micrec_pyg.schema import INTERACTS, ITEM, USER, Feature, RankedLists

ITEMS = 12
EVERY = torch.ones(ITEMS, dtype=torch.bool)


def _lists(item: Tensor) -> RankedLists:
    return RankedLists(torch.arange(len(item)), item, torch.zeros(item.shape))


def _random(users: int, k: int, seed: int, items: int = ITEMS) -> RankedLists:
    """Return lists that share items, many of them padded, some empty."""
    generator = torch.Generator().manual_seed(seed)
    order = [torch.randperm(items, generator=generator)[:k] for _ in range(users)]
    item = torch.stack(order)
    filled = torch.randint(item.shape[1] + 2, (users, 1), generator=generator)
    item[torch.arange(item.shape[1]) >= filled] = -1
    return _lists(item)


def _facts(seed: int, items: int = ITEMS) -> ItemFacts:
    """Return two modalities; some items lack one, some have a zero vector."""
    generator = torch.Generator().manual_seed(seed)
    features = {}
    for name, width in (("image", 5), ("text", 3)):
        values = torch.randn(items, width, generator=generator)
        mask = torch.rand(items, generator=generator) < 0.7
        values[~mask] = 0
        values[0] = 0
        features[name] = Feature(values, mask)
    popularity = torch.randint(9, (items,), generator=generator)
    return ItemFacts(popularity, 9, features)


def _vectors(facts: ItemFacts) -> dict[str, dict[int, object]]:
    return {
        name: {
            i: feature.values[i].double().numpy()
            for i in range(len(feature.mask))
            if feature.mask[i] and feature.values[i].any()
        }
        for name, feature in facts.features.items()
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 999))
def test_lists_equal_a_naive_loop(users: int, k: int, seed: int) -> None:
    lists, facts = _random(users, k, seed), _facts(seed)
    ks = [k, 1, (k + 1) // 2]
    found = list_metrics(lists, facts, ks)
    vectors, popularity = _vectors(facts), facts.popularity.tolist()
    for row, items in enumerate(lists.item.tolist()):
        for cut in ks:
            expected = reference.list_values(items, popularity, 9, vectors, cut)
            for name, value in expected.items():
                wanted = math.nan if value is None else value
                mine = float(found[name][row])
                assert mine == pytest.approx(wanted, abs=1e-6, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 999), st.booleans())
def test_catalogue_equals_a_naive_loop(
    users: int, k: int, seed: int, every: bool
) -> None:
    lists = _random(users, k, seed)
    candidates = EVERY if every else torch.arange(ITEMS) % 3 > 0
    item = lists.item.masked_fill(~candidates[lists.item], -1)
    # pads stand at the end
    item = item.gather(1, (item < 0).long().argsort(dim=1, stable=True))
    found = catalogue_metrics(_lists(item), candidates, [k, 1])
    allowed = set(candidates.nonzero().flatten().tolist())
    expected = {}
    for cut in (k, 1):
        expected |= reference.catalogue_values(item.tolist(), allowed, cut)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_catalogue_equals_pyg(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    item = torch.stack([torch.randperm(ITEMS, generator=generator) for _ in range(40)])
    lists, facts = _lists(item[:, :k]), _facts(k)
    ours = {
        **catalogue_metrics(lists, EVERY, [k]),
        **{n: float(v.mean()) for n, v in list_metrics(lists, facts, [k]).items()},
    }
    theirs = {
        "coverage": pyg.LinkPredCoverage(k, num_dst_nodes=ITEMS),
        "personalisation": pyg.LinkPredPersonalization(k),
        "average_popularity": pyg.LinkPredAveragePopularity(k, facts.popularity),
    }
    for name, metric in theirs.items():
        metric.update(item[:, :k], torch.zeros(2, 0, dtype=torch.long))
        expected = float(metric.compute())
        assert ours[f"{name}@{k}"] == pytest.approx(expected, abs=1e-6)


def test_diversity_equals_pyg_on_categories() -> None:
    """One-hot vectors have cosine 1 within a category and 0 across."""
    generator = torch.Generator().manual_seed(0)
    item = torch.stack([torch.randperm(ITEMS, generator=generator) for _ in range(9)])
    category = torch.arange(ITEMS) % 4
    feature = Feature(torch.eye(4)[category] * 3, EVERY)
    facts = ItemFacts(torch.zeros(ITEMS).long(), 1, {"text": feature})
    metric = pyg.LinkPredDiversity(5, category)
    metric.update(item[:, :5], torch.zeros(2, 0, dtype=torch.long))
    ours = list_metrics(_lists(item[:, :5]), facts, [5])["diversity_text@5"]
    assert float(ours.mean()) == pytest.approx(float(metric.compute()), abs=1e-6)


def test_by_hand() -> None:
    """Three users get {0, 1}, {0, 1} and {0, 2}, of four items."""
    lists = _lists(torch.tensor([[0, 1], [1, 0], [0, 2]]))
    found = catalogue_metrics(lists, torch.ones(4, dtype=torch.bool), [2])
    # counts 3, 2, 1, 0; pairs of lists share 2, 1 and 1 of 2 items
    assert found["coverage@2"] == pytest.approx(3 / 4)
    assert found["gini@2"] == pytest.approx((-3 * 0 - 1 * 1 + 1 * 2 + 3 * 3) / (4 * 6))
    entropy = 1 / 2 * math.log2(2) + 1 / 3 * math.log2(3) + 1 / 6 * math.log2(6)
    assert found["entropy@2"] == pytest.approx(entropy)
    assert found["personalisation@2"] == pytest.approx((0 + 1 / 2 + 1 / 2) / 3)
    facts = ItemFacts(torch.tensor([7, 3, 0, 1]), 7, {})
    values = list_metrics(lists, facts, [2])
    # 8 of 8, 4 of 8 and 1 of 8, after adding one to each count
    assert values["novelty@2"].tolist() == [0.5, 0.5, 1.5]
    assert values["average_popularity@2"].tolist() == [5, 5, 3.5]


def test_the_ends_of_every_scale() -> None:
    same = _lists(torch.tensor([[0, 1]] * 5))
    found = catalogue_metrics(same, torch.ones(2, dtype=torch.bool), [1, 2])
    assert found["gini@2"] == found["entropy@1"] == 0
    assert found["personalisation@2"] == pytest.approx(0, abs=1e-12)
    assert found["coverage@2"] == found["entropy@2"] == 1
    apart = _lists(torch.tensor([[0, 1], [2, 3]]))
    found = catalogue_metrics(apart, torch.ones(4, dtype=torch.bool), [2])
    assert found["personalisation@2"] == pytest.approx(1)
    assert found["coverage@2"] == 1
    lines = torch.tensor([[1.0, 0], [2, 0], [0, 1], [-1, 0]])
    facts = ItemFacts(
        torch.zeros(4).long(), 0, {"x": Feature(lines, torch.ones(4) > 0)}
    )
    pairs = _lists(torch.tensor([[0, 1], [0, 2], [0, 3]]))
    values = list_metrics(pairs, facts, [2])
    assert values["diversity_x@2"].tolist() == pytest.approx([0, 1, 2], abs=1e-6)
    assert values["novelty@2"].tolist() == [0, 0, 0]


def test_what_is_undefined_is_left_out() -> None:
    nothing = _lists(torch.full((2, 3), -1))
    found = catalogue_metrics(nothing, torch.ones(4, dtype=torch.bool), [3])
    assert found == {"coverage@3": 0}
    one = _lists(torch.tensor([[2, 0], [-1, -1]]))
    found = catalogue_metrics(one, torch.ones(4, dtype=torch.bool), [2])
    assert set(found) == {"coverage@2", "gini@2", "entropy@2"}
    nobody = _lists(torch.zeros(0, 3, dtype=torch.long))
    assert catalogue_metrics(nobody, EVERY, [3]) == {"coverage@3": 0}
    assert all(len(v) == 0 for v in list_metrics(nobody, _facts(0), [3]).values())


def test_the_order_of_lists_changes_nothing_across_blocks() -> None:
    users = BLOCK + 9
    lists, facts = _random(users, 4, 3), _facts(3)
    order = torch.randperm(users, generator=torch.Generator().manual_seed(1))
    moved = _lists(lists.item[order])
    straight, turned = (list_metrics(x, facts, [2, 4]) for x in (lists, moved))
    for name, value in straight.items():
        assert torch.equal(turned[name].nan_to_num(-1), value[order].nan_to_num(-1))
    one, other = (catalogue_metrics(x, EVERY, [2, 4]) for x in (lists, moved))
    assert one == pytest.approx(other, abs=1e-12)


def _graph(old: int, edges: list[tuple[int, int]], n_id: list[int]) -> HeteroData:
    """Return three users and items, of which the first ``old`` are in training."""
    data = HeteroData()
    for kind in (USER, ITEM):
        data[kind].train_row = torch.where(torch.arange(3) < old, torch.arange(3), -1)
        data[kind].num_nodes = 3
    data[ITEM].n_id = torch.tensor(n_id)
    dense = torch.zeros(3, 3)
    for user, item in edges:
        dense[item, user] = 1
    data[INTERACTS].adj_t = dense.to_sparse_csr()
    return data


@pytest.mark.parametrize("scale", [1e-39, 1e-30, 1e-20, 1e20, 3e38])
def test_the_length_of_vectors_changes_no_diversity(scale: float) -> None:
    values = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    lists, popularity = _lists(torch.tensor([[0, 1, 2, 3]])), torch.ones(4).long()
    found = []
    for some in (
        values,
        values * scale,
        values * torch.tensor([[1], [scale], [1], [1]]),
    ):
        facts = ItemFacts(popularity, 1, {"text": Feature(some, some.any(1))})
        found.append(list_metrics(lists, facts, [3])["diversity_text@3"].item())
    assert found == pytest.approx([1 - (0 + 2 * 0.5**0.5) / 3] * 3, abs=1e-6)


def test_popularity_counts_training_edges() -> None:
    edges = [(0, 0), (1, 0), (0, 1), (2, 1), (1, 2), (0, 2)]
    data = _graph(2, edges, [5, 3, 8])
    # user 2 and item 2 are new: their edges are not of training
    facts = item_facts(data, None)
    assert facts.popularity.tolist() == [2, 1, 0]
    assert (facts.num_users, facts.features) == (2, {})
    trained = _graph(3, [(0, 0), (1, 1), (2, 1)], [3, 5, 9])
    assert item_facts(data, trained).popularity.tolist() == [2, 1, 0]


def test_features_are_those_of_the_graph() -> None:
    data = _graph(3, [(0, 0)], [0, 1, 2])
    data[ITEM].text = torch.eye(3)
    data[ITEM].text_mask = torch.tensor([True, False, True])
    (feature,) = item_facts(data, None).features.values()
    assert torch.equal(feature.values, torch.eye(3))
    assert feature.mask.tolist() == [True, False, True]
