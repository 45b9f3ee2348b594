"""Accuracy of ranked lists against a naive loop, and by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import metrics as reference
from torch import Tensor

from micrec_pyg.evaluation.metrics import accuracy_metrics
from micrec_pyg.schema import RankedLists

ITEMS = 12


def _lists(rows: list[list[int]], user: list[int] | None = None) -> RankedLists:
    item = torch.tensor(rows)
    users = torch.arange(len(rows)) if user is None else torch.tensor(user)
    return RankedLists(user=users, item=item, score=torch.zeros(item.shape))


def _random(users: int, k: int, seed: int) -> tuple[RankedLists, Tensor]:
    """Return padded lists and hidden pairs: none, some, or more than k of them."""
    generator = torch.Generator().manual_seed(seed)
    item = torch.stack(
        [torch.randperm(ITEMS, generator=generator)[:k] for _ in range(users)]
    )
    filled = torch.randint(k + 1, (users, 1), generator=generator)
    item[torch.arange(k) >= filled] = -1
    share = torch.rand(users, 1, generator=generator)
    hidden = (torch.rand(users, ITEMS, generator=generator) < share).nonzero().T
    hidden = hidden[:, torch.randperm(hidden.shape[1], generator=generator)]
    lists = RankedLists(torch.arange(users), item, torch.zeros(users, k))
    return lists, hidden


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 8), st.integers(1, 10), st.integers(0, 999))
def test_equals_a_naive_loop(users: int, k: int, seed: int) -> None:
    lists, hidden = _random(users, k, seed)
    ks = sorted({1, (k + 1) // 2, k})
    values = accuracy_metrics(lists, hidden, num_items=ITEMS, ks=ks)
    for row in range(users):
        truth = set(hidden[1][hidden[0] == row].tolist())
        items = lists.item[row].tolist()
        for cut in ks:
            if truth:
                expected = reference.values(items, truth, cut)
                found = {name: float(values[name][row]) for name in expected}
                assert found == pytest.approx(expected, abs=1e-12)
            else:
                assert math.isnan(values[f"recall@{cut}"][row])


def test_by_hand() -> None:
    values = accuracy_metrics(
        _lists([[4, 2, 7, -1]]),
        torch.tensor([[0, 0, 0], [2, 7, 9]]),
        num_items=10,
        ks=[2, 4],
    )
    assert float(values["recall@2"][0]) == pytest.approx(1 / 3)
    assert float(values["precision@2"][0]) == pytest.approx(1 / 2)
    assert float(values["precision@4"][0]) == pytest.approx(2 / 4)
    dcg, third = 1 / math.log2(3), 1 / math.log2(4)
    assert float(values["ndcg@2"][0]) == pytest.approx(dcg / (1 + dcg))
    assert float(values["ndcg@4"][0]) == pytest.approx(
        (dcg + third) / (1 + dcg + third)
    )
    assert float(values["mrr@4"][0]) == pytest.approx(1 / 2)
    assert float(values["map@4"][0]) == pytest.approx((1 / 2 + 2 / 3) / 3)


@settings(deadline=None)
@given(st.integers(1, ITEMS), st.integers(1, ITEMS))
def test_a_perfect_list_has_the_best_value(k: int, relevant: int) -> None:
    lists = _lists([list(range(k))])
    hidden = torch.stack(
        [torch.zeros(relevant, dtype=torch.long), torch.arange(relevant)]
    )
    values = accuracy_metrics(lists, hidden, num_items=ITEMS, ks=[k])
    for name in ("ndcg", "map", "mrr", "hit"):
        assert float(values[f"{name}@{k}"][0]) == pytest.approx(1)
    assert float(values[f"recall@{k}"][0]) == pytest.approx(min(k, relevant) / relevant)
    assert float(values[f"precision@{k}"][0]) == pytest.approx(min(k, relevant) / k)


@settings(deadline=None)
@given(st.integers(0, 99))
def test_order_of_users_and_of_pairs_is_irrelevant(seed: int) -> None:
    lists, hidden = _random(6, 5, seed)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    moved = RankedLists(lists.user[order], lists.item[order], lists.score[order])
    straight = accuracy_metrics(lists, hidden, num_items=ITEMS, ks=[3])
    turned = accuracy_metrics(moved, hidden.flip(1), num_items=ITEMS, ks=[3])
    for name, value in straight.items():
        assert torch.equal(turned[name].nan_to_num(), value[order].nan_to_num())


def test_a_pad_is_not_the_last_item_of_the_user_before() -> None:
    values = accuracy_metrics(
        _lists([[0], [-1]]),
        torch.tensor([[0, 1], [ITEMS - 1, 3]]),
        num_items=ITEMS,
        ks=[1],
    )
    assert values["recall@1"].tolist() == [0.0, 0.0]


def test_a_pair_given_twice_counts_once() -> None:
    hidden = torch.tensor([[0, 0], [1, 1]])
    values = accuracy_metrics(_lists([[1]]), hidden, num_items=ITEMS, ks=[1])
    assert float(values["recall@1"][0]) == 1.0


def test_lists_of_some_users_only() -> None:
    lists = _lists([[2], [5]], user=[7, 3])
    hidden = torch.tensor([[3, 5, 7], [5, 0, 1]])
    values = accuracy_metrics(lists, hidden, num_items=ITEMS, ks=[1])
    assert values["recall@1"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("ks", [[], [0], [1, 4]])
def test_cut_offs_outside_the_lists_are_refused(ks: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must be in 1\.\.3"):
        accuracy_metrics(
            _lists([[1, 2, 3]]), torch.tensor([[0], [1]]), num_items=ITEMS, ks=ks
        )
