"""The statistics card against naive counts."""

import json

import pytest
from hypothesis import given, reject, settings
from reference import splits as naive

from micrec_pyg.data.splits.at_random import random_ratio
from micrec_pyg.data.splits.by_time import global_time, leave_one_out
from micrec_pyg.data.splits.statistics import statistics
from micrec_pyg.schema import InputError

KNOWN = ("train", "support", "val_support")


def naive_card(split, data):
    """Return the counts of one domain by loops over its edges."""
    time = dict(zip(map(tuple, data.edges.T.tolist()), data.time.tolist(), strict=True))
    part = naive.part_of(split)
    times = {
        name: [time[pair] for pair, where in part.items() if where == name]
        for name in naive.PARTS
    }
    graph = [pair for pair, where in part.items() if where in KNOWN]
    tested = {user for (user, _), where in part.items() if where == "test"}
    users, items = (
        {
            "all": len(seen),
            "seen": sum(seen.tolist()),
            "new": len(seen) - sum(seen.tolist()),
            "without_edge": len(set(range(len(seen))) - {pair[end] for pair in graph}),
        }
        for end, seen in enumerate((split.seen_user, split.seen_item))
    )
    users["with_test"] = len(tested)
    users["without_test"] = len(split.seen_user) - len(tested)
    return {
        "edges": {name: len(found) for name, found in times.items()},
        "time": {n: [min(t), max(t)] if t else None for n, t in times.items()},
        "users": users,
        "items": items,
    }


@pytest.mark.parametrize("protocol", ["zero_edge", "old_graph", "global_time"])
@given(domains=naive.some_domains(min_edges=3))
@settings(max_examples=15, deadline=None)
def test_the_card_equals_naive_counts(protocol, domains):
    try:
        splits = naive.PROTOCOLS[protocol](domains, 0)
    except InputError:
        reject()
    cards = statistics(splits, domains)
    json.dumps(cards)  # plain values alone
    for name, card in cards.items():
        leak = card.pop("leak")
        assert card == naive_card(splits[name], domains[name].interactions)
        if protocol.startswith("global_time"):
            assert leak == "none"


def test_the_leak_class_is_that_of_each_domain():
    """A user's other domain is later: one domain sees the future, one does not."""
    pairs = [(0, i) for i in range(5)]
    domains = {
        "early": naive.make_domain(pairs, 1, 5, time=range(5)),
        "late": naive.make_domain(pairs, 1, 5, time=range(10, 15)),
    }
    splits = leave_one_out(domains, without_time="error", seed=0)
    found = {name: card["leak"] for name, card in statistics(splits, domains).items()}
    assert found == {"early": "cross_domain_future", "late": "none"}
    # the same with two people is the future of others only
    domains["late"] = naive.make_domain(pairs, 1, 5, time=range(10, 15), first_user=7)
    found = {name: card["leak"] for name, card in statistics(splits, domains).items()}
    assert found == {"early": "global_future", "late": "none"}


def test_leak_classes_of_other_protocols():
    pairs = [(u, i) for u in range(20) for i in range(10)]
    time = [17 * u % 20 + 20 * i for u, i in pairs]
    domains = {"d": naive.make_domain(pairs, 20, 10, time=time)}
    found = statistics(random_ratio(domains, ratios=[7, 1, 2], seed=0), domains)
    assert found["d"]["leak"] == "user_future"
    found = statistics(global_time(domains, ratios=[7, 1, 2], select="seen"), domains)
    assert found["d"]["leak"] == "none"
    blind = {"d": naive.without_time(domains["d"])}
    found = statistics(random_ratio(blind, ratios=[7, 1, 2], seed=0), blind)
    assert found["d"]["leak"] is None
    assert set(found["d"]["time"].values()) == {None}
