"""Planted faults are found by name, and clean data has no error."""

import dataclasses
import re

import pytest
import torch
from reference import leaks
from reference.raw import pairs

from micrec_pyg.data.audit.finding import CHECKS
from micrec_pyg.data.audit.report import audit
from micrec_pyg.data.splits.at_random import random_ratio, ready
from micrec_pyg.data.splits.by_time import global_time, leave_one_out, user_time
from micrec_pyg.data.splits.inductive import (
    history_elsewhere,
    new_interactions,
    new_nodes,
    zero_edge,
)
from micrec_pyg.schema import InputError

RATIOS = {"ratios": [7, 1, 2]}
SEEN = {"select": "seen"}
PROTOCOLS = {
    "random_ratio": lambda c: random_ratio(c, **RATIOS, seed=0),
    "new_nodes": lambda c: new_nodes(c, **RATIOS, **SEEN, unseen_share=0.3, seed=0),
    "zero_edge": lambda c: zero_edge(c, **RATIOS, **SEEN, unseen_share=0.3, seed=0),
    "new_interactions": lambda c: new_interactions(
        c, **RATIOS, new_share=0.3, graph="old", seed=0
    ),
    "history_elsewhere": lambda c: history_elsewhere(
        c, **RATIOS, **SEEN, share=0.4, seed=0
    ),
    "leave_one_out": lambda c: leave_one_out(c, without_time="random", seed=0),
    "user_time": lambda c: user_time(c, **RATIOS, seed=0),
    "global_time": lambda c: global_time(c, **RATIOS, select="seen"),
}
KINDS = [
    {"clock": "timestamp", "ids": "words"},
    {"clock": "order", "ids": "amazon"},
    {"clock": "timestamp", "ids": "numbers", "domains": 3},
    {"clock": "order", "ids": "numbers", "domains": 3},
    {"clock": None, "ids": "amazon"},
    {"clock": None, "ids": "words", "domains": 3},
]


def audited(catalogues, splits, protocol="random_ratio", claim=None):
    return audit(catalogues, splits, promised=leaks.promised(protocol), claim=claim)


def errors(result):
    return {finding.check for finding in result.findings if finding.error}


def only(result, check, where="d0"):
    """Return the one finding of a check in one place."""
    (found,) = [f for f in result.findings if (f.check, f.where) == (check, where)]
    return found


def raw(catalogue, edge):
    data = catalogue.interactions
    return data.users.ids[int(edge[0])], data.items.ids[int(edge[1])]


@pytest.fixture(params=KINDS, ids=str)
def catalogues(request):
    return leaks.shop(**request.param)


@pytest.fixture
def splits(catalogues):
    return PROTOCOLS["random_ratio"](catalogues)


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [
        (kind, protocol)
        for kind in KINDS
        for protocol in PROTOCOLS
        # these refuse data without time
        if kind["clock"] or protocol not in ("user_time", "global_time")
    ],
    ids=str,
)
def test_clean_data_has_no_error(kind, protocol):
    catalogues = leaks.shop(**kind)
    splits = PROTOCOLS[protocol](catalogues)
    result = audited(catalogues, splits, protocol)
    assert errors(result) == set()
    label = None if result.measured is None else result.measured.label
    assert label == leaks.leak_class(leaks.rows_of(catalogues, splits))
    assert result.measured is None or result.measured <= result.claim
    assert all(finding.check in CHECKS for finding in result.findings)


def test_a_single_domain_is_clean_too():
    catalogues = leaks.shop(domains=1)
    assert audited(catalogues, PROTOCOLS["random_ratio"](catalogues)).findings == ()


@pytest.mark.parametrize("part", ["train", "val", "support", "silent"])
def test_a_test_edge_that_is_also_elsewhere(catalogues, splits, part):
    split = splits["d1"]
    edge = split.test[:, :1]
    grown = torch.cat([getattr(split, part), edge], dim=1)
    planted = {**splits, "d1": leaks.changed(split, **{part: grown})}
    result = audited(catalogues, planted)
    found = only(result, "overlap", "d1")
    user, item = raw(catalogues["d1"], edge[:, 0])
    assert found.error
    assert found.count == 1
    assert f"user {user}, item {item}: " in found.examples[0]
    assert result.measured is not None
    assert result.measured.label == "overlap"


def test_a_pair_twice_in_one_part(catalogues, splits):
    split = splits["d0"]
    planted = leaks.changed(split, val=torch.cat([split.val, split.val[:, :2]], dim=1))
    result = audited(catalogues, {**splits, "d0": planted})
    assert errors(result) == {"duplicates"}
    assert only(result, "duplicates").count == 2


def test_a_pair_twice_in_the_data(catalogues, splits):
    data = catalogues["d0"].interactions
    fields = {
        name: torch.cat([value, value[:1]])
        for name in ("user", "item", "time")
        if (value := getattr(data, name)) is not None
    }
    doubled = dataclasses.replace(
        catalogues["d0"], interactions=dataclasses.replace(data, **fields)
    )
    result = audited({**catalogues, "d0": doubled}, splits)
    assert errors(result) == {"duplicates"}
    assert only(result, "duplicates").examples == (
        "user {}, item {}".format(*raw(doubled, data.edges[:, 0])),
    )


def test_an_edge_that_the_split_drops(catalogues, splits):
    split = splits["d0"]
    planted = leaks.changed(split, val=split.val[:, 1:])
    result = audited(catalogues, {**splits, "d0": planted})
    assert errors(result) == {"lost_edges"}
    assert only(result, "lost_edges").examples == (
        "user {}, item {}".format(*raw(catalogues["d0"], split.val[:, 0])),
    )


def test_an_edge_that_nobody_made(catalogues, splits):
    split, data = splits["d0"], catalogues["d0"].interactions
    known = {tuple(edge) for edge in data.edges.T.tolist()}
    fake = next((0, i) for i in range(len(data.items)) if (0, i) not in known)
    train = torch.cat([split.train, torch.tensor(fake)[:, None]], dim=1)
    result = audited(catalogues, {**splits, "d0": leaks.changed(split, train=train)})
    assert "foreign_edges" in errors(result)
    assert only(result, "foreign_edges").count == 1


@pytest.mark.parametrize("side", ["seen_user", "seen_item"])
def test_a_new_node_in_training(catalogues, side):
    splits = PROTOCOLS["new_nodes"](catalogues)
    split = splits["d0"]
    row = 0 if side == "seen_user" else 1
    node = int(split.train[row, 0])
    seen = getattr(split, side).clone()
    seen[node] = False
    planted = {**splits, "d0": leaks.changed(split, **{side: seen})}
    result = audited(catalogues, planted, "new_nodes")
    assert errors(result) == {"unseen_in_train"}
    count = int((split.train[row] == node).sum())
    assert only(result, "unseen_in_train").count == count


def test_items_that_training_never_shows(catalogues, splits):
    split = splits["d0"]
    item = int(split.test[1, 0])
    mine = split.train[1] == item
    planted = leaks.changed(
        split,
        train=split.train[:, ~mine],
        val=torch.cat([split.val, split.train[:, mine]], dim=1),
    )
    result = audited(catalogues, {**splits, "d0": planted})
    found = only(result, "unseen_items")
    assert not found.error
    assert found.count == int((split.test[1] == item).sum())
    # what a new item brings with it shows it
    planted = leaks.changed(
        split, train=split.train[:, ~mine], support=split.train[:, mine]
    )
    result = audited(catalogues, {**splits, "d0": planted})
    assert "unseen_items" not in {f.check for f in result.findings if f.where == "d0"}


@pytest.mark.parametrize("declared", [False, True])
def test_mostly_items_that_training_never_shows(catalogues, splits, declared):
    split = splits["d0"]
    shown = torch.isin(split.train[1], split.test[1])
    seen = split.seen_item.clone()
    seen[split.test[1]] = not declared
    planted = leaks.changed(
        split,
        train=split.train[:, ~shown],
        val=torch.cat([split.val, split.train[:, shown]], dim=1),
        seen_item=seen,
    )
    result = audited(catalogues, {**splits, "d0": planted})
    # items that the split calls new are the point of a protocol
    assert only(result, "unseen_items").error != declared
    assert only(result, "unseen_items").count == split.test.shape[1]


def test_users_that_training_never_shows(catalogues, splits):
    split = splits["d0"]
    user = int(split.test[0, 0])
    mine = split.train[0] == user
    planted = leaks.changed(
        split,
        train=split.train[:, ~mine],
        val=torch.cat([split.val, split.train[:, mine]], dim=1),
    )
    result = audited(catalogues, {**splits, "d0": planted})
    assert only(result, "unseen_users").count == int((split.test[0] == user).sum())


@pytest.mark.parametrize("order", ["of numbers", "of appearance"])
@pytest.mark.parametrize("side", ["users", "items"])
def test_new_nodes_by_the_order_of_ids(catalogues, side, order):
    data = catalogues["d0"].interactions
    row, ids = (0, data.users.ids) if side == "users" else (1, data.items.ids)
    if order == "of numbers":  # u9 before u10
        last = sorted(ids, key=lambda raw: int(re.sub(r"\D", "", raw)))[-10:]
    else:
        last = list(dict.fromkeys(pair[row] for pair in pairs(data)))[-10:]
    old = torch.tensor([raw not in last for raw in ids])
    training = old[data.edges[row]]
    splits = PROTOCOLS["random_ratio"](catalogues)
    planted = leaks.changed(
        splits["d0"],
        train=data.edges[:, training],
        val=data.edges[:, :0],
        test=data.edges[:, ~training],
        **{f"seen_{side[:-1]}": old},
    )
    result = audited(catalogues, {**splits, "d0": planted}, "new_nodes")
    assert errors(result) == {"ordered_ids"}
    finding = only(result, "ordered_ids")
    assert finding.count == 10
    assert {example.split()[1] for example in finding.examples} <= set(last)


def test_new_nodes_after_one_moment_may_be_the_last():
    # one user after another: the last ones of the data are new
    rows = [
        (f"u{u}", f"i{(u + k) % 9}", 100 * u + k) for u in range(50) for k in range(4)
    ]
    catalogues = {"d0": leaks.catalogue("d0", rows)}
    splits = PROTOCOLS["global_time"](catalogues)
    assert int((~splits["d0"].seen_user).sum()) == 15
    assert errors(audited(catalogues, splits, "global_time")) == set()
    # with the same new users a random draw is not what it says it is
    assert "ordered_ids" in errors(audited(catalogues, splits, "new_nodes"))


def test_an_unknown_claim():
    catalogues = leaks.shop()
    splits = PROTOCOLS["random_ratio"](catalogues)
    with pytest.raises(InputError, match="global_future, cross_domain_future"):
        audited(catalogues, splits, claim="future")


def test_errors_come_first(catalogues, splits):
    split = splits["d0"]
    planted = leaks.changed(split, val=split.val[:, 1:])
    result = audited(catalogues, {**splits, "d0": planted})
    flags = [finding.error for finding in result.findings]
    assert flags == sorted(flags, reverse=True)


def test_a_ready_split_is_audited_as_any_other():
    given = leaks.shop(domains=1)["d0"]
    data = given.interactions
    part = torch.arange(len(data.user)) % 3
    labelled = dataclasses.replace(
        given, interactions=dataclasses.replace(data, part=part)
    )
    catalogues = {"d0": labelled}
    result = audited(catalogues, ready(catalogues), "ready")
    assert errors(result) == set()
    assert result.claim.label == "user_future"
