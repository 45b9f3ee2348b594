"""Splits: nothing lost, nothing twice, the rules hold on the smallest data."""

import math

import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from micrec_pyg.data.split import new_nodes, random_ratio, ready
from micrec_pyg.schema import Domain, InputError, Interactions, Vocab

RATIOS = [7, 1, 2]


def make_domain(pairs, num_users, num_items, part=None):
    """Return a domain without features; users u0, u1, ... and items i0, i1, ..."""
    edges = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    data = Interactions(
        user=edges[:, 0],
        item=edges[:, 1],
        users=Vocab(pl.Series([f"u{n}" for n in range(num_users)])),
        items=Vocab(pl.Series([f"i{n}" for n in range(num_items)])),
        part=None if part is None else torch.tensor(part),
    )
    return Domain(name="any", interactions=data, features={}, digest="")


@st.composite
def some_domains(draw, min_edges=0):
    """Return up to three domains with any edges and shared users."""
    found = {}
    for name in draw(st.sampled_from([["a"], ["b", "a"], ["c", "a", "b"]])):
        users, items = draw(st.integers(2, 8)), draw(st.integers(2, 8))
        pair = st.tuples(st.integers(0, users - 1), st.integers(0, items - 1))
        pairs = draw(st.lists(pair, unique=True, min_size=min_edges, max_size=40))
        found[name] = make_domain(pairs, users, items)
    return found


share = st.integers(0, 10)
some_ratios = st.tuples(st.integers(1, 10), share, share).map(list)
some_seed = st.integers(0, 1000)


def edges(split):
    parts = (split.train, split.support, split.val, split.test)
    return [tuple(edge) for part in parts for edge in part.T.tolist()]


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        for field in ("train", "support", "val", "test", "seen_user", "seen_item"):
            assert torch.equal(getattr(left[name], field), getattr(right[name], field))


def users_of(edge_index):
    return set(edge_index[0].tolist())


def divided(domains, **options):
    """Return the new-nodes split; data too small for it is left to another test."""
    try:
        return new_nodes(domains, **options)
    except InputError:
        return reject()


@given(some_domains(), some_ratios, some_seed)
def test_random_ratio_divides_without_loss(domains, ratios, seed):
    splits = random_ratio(domains, ratios=ratios, seed=seed)
    for name, domain in domains.items():
        data, split = domain.interactions, splits[name]
        # as lists: an edge in two parts would be counted twice
        assert sorted(edges(split)) == sorted(map(tuple, data.edges.T.tolist()))
        assert split.support.shape == (2, 0)
        assert users_of(split.train) == users_of(data.edges)
        assert split.seen_item.all()
        assert set(split.seen_user.nonzero()[:, 0].tolist()) == users_of(split.train)


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


@given(some_domains(min_edges=3), some_ratios, some_seed, st.floats(0, 0.6))
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
def test_same_seed_same_split_in_any_order_of_domains(domains, ratios, seed, unseen):
    turned = dict(reversed(domains.items()))
    first = random_ratio(domains, ratios=ratios, seed=seed)
    same(first, random_ratio(domains, ratios=ratios, seed=seed))
    again = random_ratio(turned, ratios=ratios, seed=seed)
    same(first, {name: again[name] for name in first})
    for name in domains:
        alone = random_ratio({name: domains[name]}, ratios=ratios, seed=seed)
        same(alone, {name: first[name]})
    options = {"ratios": ratios, "unseen_share": unseen, "seed": seed}
    first = divided(domains, **options)
    again = new_nodes(turned, **options)
    same(first, {name: again[name] for name in first})
    for name in domains:
        same(new_nodes({name: domains[name]}, **options), {name: first[name]})


@given(some_domains(min_edges=3), some_ratios, some_seed, st.floats(0, 0.6))
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_new_nodes_keep_their_rules(domains, ratios, seed, unseen):
    base = random_ratio(domains, ratios=ratios, seed=seed)
    splits = divided(domains, ratios=ratios, unseen_share=unseen, seed=seed)
    for name, domain in domains.items():
        data, split = domain.interactions, splits[name]
        assert sorted(edges(split)) == sorted(map(tuple, data.edges.T.tolist()))
        assert torch.equal(split.val, base[name].val)
        assert torch.equal(split.test, base[name].test)
        assert split.seen_user[split.train[0]].all()
        assert split.seen_item[split.train[1]].all()
        assert set(split.seen_user.nonzero()[:, 0].tolist()) == users_of(split.train)
        touches_new = ~(split.seen_user[split.support[0]])
        touches_new |= ~(split.seen_item[split.support[1]])
        assert touches_new.all()


def test_nobody_is_new_with_a_share_of_zero():
    domain = make_domain([(u, i) for u in range(5) for i in range(4)], 5, 6)
    base = random_ratio({"d": domain}, ratios=RATIOS, seed=3)
    split = new_nodes({"d": domain}, ratios=RATIOS, unseen_share=0, seed=3)
    # the two items without any edge are old, too
    same(split, base)


def test_a_user_is_new_in_every_domain_or_in_none():
    pairs = [(u, i) for u in range(200) for i in range(10)]
    domains = {
        "a": make_domain(pairs, 200, 10),
        "b": make_domain([(u, 9 - i) for u, i in reversed(pairs)], 200, 10),
    }
    splits = new_nodes(domains, ratios=[1, 0, 0], unseen_share=0.2, seed=1)
    # with ten items each, every old user has a training edge
    assert torch.equal(splits["a"].seen_user, splits["b"].seen_user)
    assert not splits["a"].seen_user.all()
    # items are drawn per domain; equal ids mean nothing across domains
    pairs = [(i, i) for i in range(200)]
    many = {name: make_domain(pairs, 200, 200) for name in "xy"}
    drawn = new_nodes(many, ratios=[1, 0, 0], unseen_share=0.2, seed=1)
    assert not torch.equal(drawn["x"].seen_item, drawn["y"].seen_item)


def test_another_seed_draws_other_nodes_and_edges():
    domain = make_domain([(u, i) for u in range(40) for i in range(40)], 40, 40)
    one, two = (
        new_nodes({"d": domain}, ratios=RATIOS, unseen_share=0.2, seed=seed)["d"]
        for seed in (0, 1)
    )
    assert not torch.equal(one.seen_user, two.seen_user)
    assert not torch.equal(one.seen_item, two.seen_item)
    assert not torch.equal(one.test, two.test)


def test_the_share_of_new_nodes_is_right_on_average():
    n = 20_000
    domain = make_domain([(u, u) for u in range(n)], n, n)
    split = new_nodes({"d": domain}, ratios=[1, 0, 0], unseen_share=0.2, seed=0)["d"]
    error = 5 * math.sqrt(0.2 * 0.8 / n)  # five standard deviations
    assert abs(split.seen_item.double().mean().item() - 0.8) < error
    # one edge per user: seen needs the user and the item to be old, independently
    error = 5 * math.sqrt(0.64 * 0.36 / n)
    assert abs(split.seen_user.double().mean().item() - 0.64) < error


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


def test_impossible_shares_are_refused():
    domain = make_domain([(0, 0)], 1, 1)
    for unseen in (-0.1, 1, 1.5):
        with pytest.raises(InputError, match="at least 0, below 1"):
            new_nodes({"d": domain}, ratios=RATIOS, unseen_share=unseen, seed=0)
    with pytest.raises(InputError, match="domain 'd': no training edge"):
        new_nodes({"d": domain}, ratios=RATIOS, unseen_share=1 - 1e-9, seed=0)


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
