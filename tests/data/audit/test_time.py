"""Future edges, leak classes and odd clocks, against loops over all pairs of edges."""

import dataclasses
import functools

import pytest
import torch
from reference import leaks

from micrec_pyg.data.audit.report import audit
from micrec_pyg.data.audit.time import check_future
from micrec_pyg.data.splits.at_random import random_ratio, ready
from micrec_pyg.data.splits.by_time import global_time, leave_one_out, user_time
from micrec_pyg.data.splits.edge_table import edge_table
from micrec_pyg.data.splits.inductive import new_nodes
from micrec_pyg.data.splits.leak import LeakClass, claim_of, measured_class

RATIOS = {"ratios": [7, 1, 2]}
TIMED = {
    "leave_one_out": lambda c: leave_one_out(c, without_time="error", seed=0),
    "user_time": lambda c: user_time(c, **RATIOS, seed=0),
    "global_time": lambda c: global_time(c, **RATIOS, select="seen"),
}


def audited(catalogues, splits, protocol, claim=None):
    return audit(catalogues, splits, promised=leaks.promised(protocol), claim=claim)


def found(result, check):
    return [f for f in result.findings if f.check == check]


def errors(result):
    return {finding.check for finding in result.findings if finding.error}


def times(catalogue):
    """Return the time of each edge, by (user, item)."""
    data = catalogue.interactions
    pairs = zip(data.user.tolist(), data.item.tolist(), strict=True)
    return dict(zip(pairs, data.time.tolist(), strict=True))


def with_time(catalogue, time):
    data = dataclasses.replace(catalogue.interactions, time=time)
    return dataclasses.replace(catalogue, interactions=data)


@pytest.mark.parametrize("claim", list(LeakClass))
@pytest.mark.parametrize("clock", ["timestamp", "order"])
@pytest.mark.parametrize(
    ("seed", "select", "part"),
    [
        (0, "seen", "support"),
        (1, "seen", "support"),
        (2, "seen", "support"),
        (0, "new", "val_support"),
        (1, "new", "val_support"),
    ],
)
def test_counts_are_those_of_all_pairs(claim, clock, seed, select, part):
    catalogues = leaks.shop(clock=clock, users=6, items=12, domains=3, seed=seed)
    # with support edges, which are known at the test, and at validation or not
    splits = new_nodes(
        catalogues, ratios=[2, 1, 1], unseen_share=0.3, select=select, seed=seed
    )
    assert any(getattr(split, part).shape[1] for split in splits.values())
    rows = leaks.rows_of(catalogues, splits)
    table = edge_table(catalogues, splits)
    own = claim >= LeakClass.GLOBAL_FUTURE
    want = {}
    for hidden, known in (
        ("test", leaks.KNOWN),
        ("val", ("train", "val_support")),
    ):
        for check, elsewhere, worst in (
            ("future_edges", False, LeakClass.USER_FUTURE),
            ("cross_domain_future", True, LeakClass.CROSS_DOMAIN_FUTURE),
        ):
            if claim < worst:
                count = leaks.late_edges(
                    rows, hidden, known, own=own, elsewhere=elsewhere
                )
                want[check] = want.get(check, 0) + count
    given = {check: 0 for check in want}
    for finding in check_future(table, claim):
        given[finding.check] += finding.count
    assert given == want
    assert measured_class(table).label == leaks.leak_class(rows)


def test_a_protocol_carries_its_claim():
    assert claim_of(global_time) is LeakClass.NONE
    assert claim_of(functools.partial(global_time, ratios=[1, 1, 1])) is LeakClass.NONE
    assert claim_of(random_ratio) is LeakClass.USER_FUTURE
    assert claim_of(ready) is None  # as the data has it


@pytest.mark.parametrize("protocol", TIMED)
@pytest.mark.parametrize("clock", ["timestamp", "order"])
def test_the_class_of_each_protocol(protocol, clock):
    catalogues = leaks.shop(clock=clock)
    splits = TIMED[protocol](catalogues)
    result = audited(catalogues, splits, protocol)
    assert errors(result) == set()
    classes = {"global_time": "none"}
    assert result.claim.label == classes.get(protocol, "cross_domain_future")
    assert result.measured.label == classes.get(protocol, "cross_domain_future")


@pytest.mark.parametrize("protocol", ["leave_one_out", "user_time"])
@pytest.mark.parametrize("part", ["train", "val", "support", "val_support"])
def test_a_users_last_edge_before_his_test_edge(protocol, part):
    catalogues = leaks.shop()
    splits = TIMED[protocol](catalogues)
    time = times(catalogues["d1"])
    edge = max(splits["d1"].test.T.tolist(), key=lambda e: time[tuple(e)])
    user = edge[0]
    first = min(
        (e for e in splits["d1"].train.T.tolist() if e[0] == user),
        key=lambda e: time[tuple(e)],
    )
    swapped = leaks.moved(splits["d1"], edge, "test", part)
    swapped = leaks.moved(swapped, first, "train", "test")
    result = audited(catalogues, {**splits, "d1": swapped}, protocol)
    assert errors(result) == {"future_edges"}
    assert {f.where for f in found(result, "future_edges")} == {"d1"}
    assert result.measured is LeakClass.USER_FUTURE


def test_a_training_edge_after_the_global_cut():
    catalogues = leaks.shop()
    splits = TIMED["global_time"](catalogues)
    time = times(catalogues["d0"])
    last = max(splits["d0"].test.T.tolist(), key=lambda e: time[tuple(e)])
    planted = {**splits, "d0": leaks.moved(splits["d0"], last, "test", "train")}
    result = audited(catalogues, planted, "global_time")
    # later than a test edge here, and than one of the other domain
    assert errors(result) >= {"future_edges", "cross_domain_future"}
    assert all(f.where == "d0" for f in result.findings if f.error)
    assert all(f.count == 1 for f in found(result, "future_edges"))
    name = catalogues["d0"].interactions.items.ids[last[1]]
    assert f"item {name} (train)" in found(result, "future_edges")[0].examples[0]


def test_a_domain_with_a_cut_of_its_own():
    catalogues = leaks.shop()
    one, two = catalogues.values()
    late = {"d0": one, "d1": with_time(two, two.interactions.time + 100 * leaks.DAY)}
    splits = {
        name: TIMED["global_time"]({name: given})[name] for name, given in late.items()
    }
    result = audited(late, splits, "global_time")
    assert errors(result) == {"cross_domain_future"}
    assert {f.where for f in found(result, "cross_domain_future")} == {"d1"}
    # each domain by itself is in order
    assert audited(late, splits, "user_time").measured is LeakClass.CROSS_DOMAIN_FUTURE
    assert errors(audited(late, splits, "user_time")) == set()


def test_the_same_users_future_in_another_domain_can_be_forbidden():
    catalogues = leaks.shop()
    splits = TIMED["user_time"](catalogues)
    result = audited(catalogues, splits, "user_time", "global_future")
    assert errors(result) == {"cross_domain_future"}


def test_validation_before_training_is_found():
    catalogues = leaks.shop(domains=1)
    splits = TIMED["leave_one_out"](catalogues)
    time = times(catalogues["d0"])
    val = splits["d0"].val.T.tolist()[0]
    first = min(
        (e for e in splits["d0"].train.T.tolist() if e[0] == val[0]),
        key=lambda e: time[tuple(e)],
    )
    swapped = leaks.moved(splits["d0"], val, "val", "train")
    swapped = leaks.moved(swapped, first, "train", "val")
    result = audited(catalogues, {"d0": swapped}, "leave_one_out")
    assert errors(result) == {"future_edges"}
    assert "val edge" in found(result, "future_edges")[0].message
    # selection is spoilt, the test is not
    assert result.measured is LeakClass.GLOBAL_FUTURE


@pytest.mark.parametrize("clock", ["timestamp", "order"])
@pytest.mark.parametrize("protocol", TIMED)
@pytest.mark.parametrize("domains", [1, 2])
def test_a_split_of_unknown_origin_keeps_what_it_seems_to_promise(
    clock, protocol, domains
):
    catalogues = leaks.shop(clock=clock, domains=domains)
    splits = TIMED[protocol](catalogues)
    result = audited(catalogues, splits, "ready")
    assert errors(result) == set()
    wanted = (
        LeakClass.NONE if protocol == "global_time" else (LeakClass.CROSS_DOMAIN_FUTURE)
    )
    assert result.claim is wanted
    time = times(catalogues["d0"])
    users = splits["d0"].train[0].tolist()
    last = max(
        (e for e in splits["d0"].test.T.tolist() if e[0] in users),
        key=lambda e: time[tuple(e)],
    )
    first = min(
        (e for e in splits["d0"].train.T.tolist() if e[0] == last[0]),
        key=lambda e: time[tuple(e)],
    )
    leaky = leaks.moved(splits["d0"], last, "test", "train")
    leaky = leaks.moved(leaky, first, "train", "test")
    result = audited(catalogues, {**splits, "d0": leaky}, "ready")
    assert "future_edges" in errors(result)


@pytest.mark.parametrize("clock", ["timestamp", "order"])
def test_a_random_split_of_unknown_origin_promises_nothing(clock):
    catalogues = leaks.shop(clock=clock)
    splits = random_ratio(catalogues, **RATIOS, seed=1)
    result = audited(catalogues, splits, "ready")
    assert result.claim is LeakClass.USER_FUTURE
    assert errors(result) == set()
    # unless somebody says that it does
    assert "future_edges" in errors(audited(catalogues, splits, "ready", "none"))


def test_equal_times_are_in_order():
    rows = [(f"u{u}", f"i{i}", 5) for u in range(4) for i in range(6)]
    catalogues = {"d0": leaks.catalogue("d0", rows)}
    splits = random_ratio(catalogues, **RATIOS, seed=0)
    table = edge_table(catalogues, splits)
    assert measured_class(table) is LeakClass.NONE
    assert check_future(table, LeakClass.NONE) == []


@pytest.mark.parametrize(("share", "error"), [(0.3, False), (0.9, True)])
def test_users_with_one_time(share, error):
    catalogues = leaks.shop(domains=1)
    data = catalogues["d0"].interactions
    constant = data.user < share * len(data.users)
    planted = {"d0": with_time(catalogues["d0"], data.time.masked_fill(constant, 5))}
    count = int(data.user[constant].unique().numel())
    result = audited(planted, TIMED["user_time"](planted), "user_time")
    (finding,) = found(result, "equal_times")
    assert finding.count == count
    assert finding.error == error
    # whoever divides at random does not care
    splits = random_ratio(planted, **RATIOS, seed=0)
    assert not found(audited(planted, splits, "random_ratio"), "equal_times")[0].error


@pytest.mark.parametrize("kind", ["unit", "clock"])
def test_domains_with_times_of_two_kinds(kind):
    catalogues = leaks.shop()
    other = catalogues["d1"]
    if kind == "unit":
        other = with_time(other, other.interactions.time * 1000)
    else:
        other = dataclasses.replace(other, clock="order")
    planted = {**catalogues, "d1": other}
    splits = random_ratio(planted, **RATIOS, seed=0)
    for claim, error in (("none", True), ("cross_domain_future", False)):
        (finding,) = found(audited(planted, splits, "ready", claim), "time_units")
        assert finding.error == error
        assert finding.where == "d0 + d1"
    assert found(audited(catalogues, splits, "ready", "none"), "time_units") == []


def test_a_clock_per_user_is_told():
    catalogues = leaks.shop(clock="order")
    splits = TIMED["global_time"](catalogues)
    (finding,) = found(audited(catalogues, splits, "global_time"), "user_clock")
    assert not finding.error
    # who says that these are dates knows it better
    stamped = {
        n: dataclasses.replace(c, clock="timestamp") for n, c in catalogues.items()
    }
    assert found(audited(stamped, splits, "global_time"), "user_clock") == []


def test_data_without_time_has_no_class():
    catalogues = leaks.shop(clock=None)
    splits = random_ratio(catalogues, **RATIOS, seed=0)
    assert audited(catalogues, splits, "random_ratio").measured is None
    assert audited(catalogues, splits, "ready").claim is LeakClass.USER_FUTURE


def test_no_test_edge_is_in_no_future():
    catalogues = leaks.shop(domains=1)
    splits = random_ratio(catalogues, ratios=[9, 1, 0], seed=0)
    assert splits["d0"].test.shape == (2, 0)
    assert isinstance(splits["d0"].test, torch.Tensor)
    result = audited(catalogues, splits, "ready", "none")
    assert result.measured is LeakClass.NONE
