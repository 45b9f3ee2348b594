"""Splits by time against naive loops; ties and missing times."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.splits import (
    RATIOS,
    make_domain,
    marked,
    part_of,
    some_domains,
    without_time,
)

from micrec_pyg.data.splits.at_random import random_ratio
from micrec_pyg.data.splits.by_time import global_time, leave_one_out, user_time
from micrec_pyg.schema import InputError

some_seed = st.integers(0, 1000)
few = settings(max_examples=30, deadline=None)
STEP = {"train": 0, "val": 1, "test": 2}


def last_out(domains, seed=0):
    return leave_one_out(domains, without_time="error", seed=seed)


def timed(data):
    """Return {(user, item): time}."""
    pairs = map(tuple, data.edges.T.tolist())
    return dict(zip(pairs, data.time.tolist(), strict=True))


def in_order(split, data):
    """Check that no user's edge is later than one of a later part."""
    part, time = part_of(split), timed(data)
    for user, item in part:
        for other in (i for u, i in part if u == user):
            if STEP[part[user, item]] < STEP[part[user, other]]:
                assert time[user, item] <= time[user, other]


def test_the_last_is_tested_and_the_one_before_validates():
    pairs = [(0, 3), (0, 1), (0, 2), (0, 0), (1, 0), (1, 1), (2, 0)]
    time = [40, 10, 30, 20, 9, 8, 7]
    split = last_out({"d": make_domain(pairs, 3, 4, time=time)})["d"]
    assert part_of(split) == {
        (0, 1): "train",
        (0, 0): "train",
        (0, 2): "val",
        (0, 3): "test",
        (1, 1): "train",  # two interactions: no validation
        (1, 0): "test",
        (2, 0): "train",  # one: training alone
    }
    assert split.seen_item.tolist() == [True] * 4


@given(some_domains(), some_seed)
@few
def test_leave_one_out_holds_out_by_number_and_in_order(domains, seed):
    splits = last_out(domains, seed)
    for name, domain in domains.items():
        in_order(splits[name], domain.interactions)
        parts = part_of(splits[name])
        for user, n in Counter(u for u, _ in parts).items():
            count = Counter(part for (u, _), part in parts.items() if u == user)
            held = {1: (0, 0), 2: (0, 1)}.get(n, (1, 1))
            assert (count["val"], count["test"]) == held


def test_without_time_it_is_refused_or_drawn():
    pairs = [(u, i) for u in range(300) for i in range(3)]
    domains = {"d": without_time(make_domain(pairs, 300, 3))}
    with pytest.raises(InputError, match=r"'d' has no time.*without_time=random"):
        last_out(domains)
    with pytest.raises(InputError, match="'maybe' is unknown; valid: error, random"):
        leave_one_out(domains, without_time="maybe", seed=0)
    split = leave_one_out(domains, without_time="random", seed=0)["d"]
    assert split.train.shape == split.val.shape == split.test.shape == (2, 300)
    # binomial, 300 draws with probability 1/3: five standard deviations are 41
    hits = torch.bincount(split.test[1], minlength=3)
    assert ((hits - 100).abs() < 42).all()


def test_random_order_is_for_domains_without_time_alone():
    pairs = [(0, i) for i in range(9)]
    timed_one = make_domain(pairs, 1, 9, time=list(range(9)))
    domains = {"a": timed_one, "b": without_time(timed_one)}
    tested = {
        seed: leave_one_out(domains, without_time="random", seed=seed)
        for seed in range(8)
    }
    assert {int(s["a"].test[1, 0]) for s in tested.values()} == {8}
    assert len({int(s["b"].test[1, 0]) for s in tested.values()}) > 1


@given(some_domains(), some_seed)
@few
def test_user_time_is_in_order_with_the_sizes_of_random(domains, seed):
    splits = user_time(domains, ratios=RATIOS, seed=seed)
    drawn = random_ratio(domains, ratios=RATIOS, seed=seed)
    for name, domain in domains.items():
        in_order(splits[name], domain.interactions)
        sizes = [
            Counter((user, part) for (user, _), part in part_of(s[name]).items())
            for s in (splits, drawn)
        ]
        assert sizes[0] == sizes[1]
        assert splits[name].seen_item.all()


def test_user_time_by_hand():
    pairs = [(0, i) for i in range(10)]
    time = [3, 1, 4, 10, 5, 9, 2, 6, 8, 7]
    split = user_time(
        {"d": make_domain(pairs, 1, 10, time=time)}, ratios=RATIOS, seed=0
    )["d"]
    assert set(split.test[1].tolist()) == {3, 5}  # times 10 and 9
    assert split.val[1].tolist() == [8]  # time 8


def naive_cut(domains, ratios):
    """Return {(domain, user, item): part} of one cut over all domains."""
    pool = sorted(t for d in domains.values() for t in d.interactions.time.tolist())
    n, total = len(pool), sum(ratios)
    ends = (n * ratios[0] // total, n * (ratios[0] + ratios[1]) // total)
    first, second = (pool[end] if end < n else float("inf") for end in ends)
    return {
        (name, user, item): "train" if t < first else "val" if t < second else "test"
        for name, domain in domains.items()
        for (user, item), t in timed(domain.interactions).items()
    }


@given(some_domains(), st.sampled_from([[7, 1, 2], [8, 1, 1], [1, 0, 1], [3, 2, 0]]))
@few
def test_global_time_equals_a_naive_cut(domains, ratios):
    expected = naive_cut(domains, ratios)
    trains = {name for (name, _, _), part in expected.items() if part == "train"}
    if trains != domains.keys():
        with pytest.raises(InputError, match="nothing of it lies before the first cut"):
            global_time(domains, ratios=ratios, select="seen")
        return
    splits = global_time(domains, ratios=ratios, select="seen")
    found = {
        (name, *pair): part
        for name, split in splits.items()
        for pair, part in part_of(split).items()
    }
    assert found == expected
    for split in splits.values():
        assert marked(split.seen_item) == set(split.train[1].tolist())


def test_the_cut_is_one_for_all_domains_and_new_nodes_are_those_after_it():
    # pooled: 0 .. 9, cuts at 7 and 8; domain b lives later than domain a
    early = make_domain([(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)], 3, 4, time=range(5))
    late = make_domain(
        [(0, 0), (0, 1), (1, 2), (2, 0), (0, 3)], 3, 4, time=range(5, 10)
    )
    splits = global_time({"a": early, "b": late}, ratios=RATIOS, select="seen")
    assert splits["a"].train.shape == (2, 5)
    assert splits["a"].test.shape == (2, 0)
    assert part_of(splits["b"]) == {
        (0, 0): "train",
        (0, 1): "train",
        (1, 2): "val",
        (2, 0): "test",
        (0, 3): "test",
    }
    assert splits["b"].seen_user.tolist() == [True, False, False]
    assert splits["b"].seen_item.tolist() == [True, True, False, False]
    # item 3 of a has no interaction: nothing says that it was there before the cut
    assert splits["a"].seen_item.tolist() == [True, True, True, False]
    assert splits["b"].support.shape == (2, 0)


def test_decimal_ratios_cut_where_whole_ones_do():
    domain = make_domain([(0, i) for i in range(10)], 1, 10, time=range(10))
    for ratios in ([7, 1, 2], [0.7, 0.1, 0.2], [70, 10, 20]):
        split = global_time({"d": domain}, ratios=ratios, select="seen")["d"]
        assert [p.shape[1] for p in (split.train, split.val, split.test)] == [7, 1, 2]


@pytest.mark.parametrize("split", [user_time, global_time])
def test_a_domain_without_time_is_named(split):
    domains = {
        "a": make_domain([(0, 0)], 1, 1, time=[1]),
        "b": without_time(make_domain([(0, 0)], 1, 1)),
    }
    options = {
        "ratios": RATIOS,
        **({"seed": 0} if split is user_time else {"select": "seen"}),
    }
    with pytest.raises(InputError, match=r"'b' has no time.*timestamp or order"):
        split(domains, **options)
    with pytest.raises(InputError, match="needed: three numbers"):
        split(domains, **{**options, "ratios": [1, 2]})


def test_one_time_for_everything_cannot_be_cut():
    domain = make_domain(
        [(u, i) for u in range(3) for i in range(3)], 3, 3, time=[7] * 9
    )
    with pytest.raises(InputError, match=r"domain 'd': no training edge.*one clock"):
        global_time({"d": domain}, ratios=RATIOS, select="seen")
