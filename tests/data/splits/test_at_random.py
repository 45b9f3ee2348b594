"""Random and ready splits: nothing lost, nothing twice, rounding without bias."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference.splits import (
    RATIOS,
    make_domain,
    marked,
    rows,
    some_domains,
    users_of,
)

from micrec_pyg.data.splits.at_random import random_ratio, ready
from micrec_pyg.schema import InputError

share = st.integers(0, 10)
some_ratios = st.tuples(st.integers(1, 10), share, share).map(list)
some_seed = st.integers(0, 1000)


@given(some_domains(), some_ratios, some_seed)
def test_random_ratio_divides_without_loss(domains, ratios, seed):
    splits = random_ratio(domains, ratios=ratios, seed=seed)
    for name, domain in domains.items():
        data, split = domain.interactions, splits[name]
        # as lists: an edge in two parts would be counted twice
        found = [(user, item) for user, item, _ in rows(split)]
        assert sorted(found) == sorted(map(tuple, data.edges.T.tolist()))
        assert split.support.shape == (2, 0)
        assert users_of(split.train) == users_of(data.edges)
        assert split.seen_item.all()
        assert marked(split.seen_user) == users_of(split.train)


@given(some_domains(), some_ratios, some_seed)
def test_every_part_is_less_than_one_edge_off(domains, ratios, seed):
    splits = random_ratio(domains, ratios=ratios, seed=seed)
    for name, domain in domains.items():
        count = torch.bincount(domain.interactions.user).tolist()
        for user, n in enumerate(count):
            if n * ratios[0] < sum(ratios):
                continue  # here the rule "one edge stays in training" takes over
            for part, ratio in zip(("train", "val", "test"), ratios, strict=True):
                got = (getattr(splits[name], part)[0] == user).sum().item()
                exact = n * ratio / sum(ratios)
                assert math.floor(exact + 1e-9) <= got <= math.ceil(exact - 1e-9)


def test_rounding_is_unbiased_for_small_users_and_every_edge_equally_likely():
    users, n = 20_000, 3
    domain = make_domain([(u, i) for u in range(users) for i in range(n)], users, n)
    split = random_ratio({"d": domain}, ratios=RATIOS, seed=0)["d"]
    for part, ratio in ((split.val, 0.1), (split.test, 0.2)):
        # a user has floor or ceil of 3 * ratio, here 0 or 1: a coin of that chance
        chance = n * ratio
        error = 5 * math.sqrt(chance * (1 - chance) / users)
        assert abs(part.shape[1] / users - chance) < error
        for item in range(n):
            hits = (part[1] == item).sum().item()
            assert abs(hits / users - ratio) < 5 * math.sqrt(ratio / users)


def test_a_single_interaction_stays_in_training():
    domain = make_domain([(u, 0) for u in range(50)], 50, 1)
    split = random_ratio({"d": domain}, ratios=[1, 5, 5], seed=0)["d"]
    assert split.train.shape == (2, 50)


@pytest.mark.parametrize(
    "ratios", [[0, 1, 1], [1, 1], [1, -1, 2], [1, 1, float("nan")], []]
)
def test_impossible_ratios_are_refused(ratios):
    domain = make_domain([(0, 0)], 1, 1)
    with pytest.raises(InputError, match="needed: three numbers"):
        random_ratio({"d": domain}, ratios=ratios, seed=0)


def test_a_ready_split_is_taken_as_it_is():
    pairs = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 0)]
    domain = make_domain(pairs, 3, 4, part=[0, 1, 0, 2, 2])
    split = ready({"d": domain})["d"]
    assert split.train.tolist() == [[0, 1], [0, 1]]
    assert split.val.tolist() == [[0], [1]]
    assert split.test.tolist() == [[1, 2], [2, 0]]
    assert split.support.shape == (2, 0)
    assert split.seen_user.tolist() == [True, True, False]
    assert split.seen_item.tolist() == [True, True, True, True]


def test_a_missing_or_empty_ready_split_is_refused():
    with pytest.raises(InputError, match=r"'d' has no ready split.*x_label"):
        ready({"d": make_domain([(0, 0)], 1, 1)})
    with pytest.raises(InputError, match="no row has x_label 0"):
        ready({"d": make_domain([(0, 0)], 1, 1, part=[2])})
