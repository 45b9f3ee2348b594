"""Whole evaluations of a fake model, group by group, against naive loops."""

from dataclasses import replace
from functools import cache

import polars as pl
import pytest
import torch
from reference import metrics as reference
from reference import ranking
from reference.ranking import ITEMS, USERS, Fake

from micrec_pyg.evaluation.evaluate import Report, evaluate, summary
from micrec_pyg.evaluation.metrics import METRICS
from micrec_pyg.evaluation.validate import validate
from micrec_pyg.schema import (
    ITEM,
    USER,
    InputError,
    TestStage,
    ValidStage,
)

K = 4

GROUPS = [
    "all",
    "old_user",
    "new_user",
    "old_item",
    "new_item",
    "old_user_old_item",
    "old_user_new_item",
    "new_user_old_item",
    "new_user_new_item",
    "item_degree_0",
    "item_degree_1_2",
    "user_history_0",
    "user_history_1_2",
    "overlap_user",
    "single_domain_user",
    "has_image",
    "no_image",
]
CASES = [(domain, name) for domain in "ab" for name in GROUPS]
CASES.append(("a", "user_history_other_domain"))

HITS_ONLY = {"item_degree_1_2", "has_image", "no_image"}
"""Groups whose lists are those of all users: only the counting pairs differ."""


def _evaluate(model: Fake, stage: TestStage | ValidStage, **options: object) -> Report:
    chosen = {"ks": [2, K], "batch_size": 5, "groups": True, **options}
    return evaluate(model, stage, **chosen)


@cache
def _plain() -> tuple[TestStage, Report]:
    """Return the stage of all cases and its evaluation; no test changes them."""
    stage = ranking.stage()
    return stage, _evaluate(Fake(), stage)


def _lists(
    stage: TestStage, domain: str, name: str
) -> dict[int, tuple[list[int], set[int]]]:
    """Return {user: (list, truth)} of a group by sets and loops."""
    users, candidates, items = ranking.group(stage, domain, name)
    scores = ranking.all_scores()
    found = {}
    for user in sorted(users):
        hidden = ranking.pairs_of(stage.tasks[domain].hidden)
        truth = {i for u, i in hidden if u == user and i in items}
        if truth:
            known = ranking.pairs_of(stage.tasks[domain].known)
            seen = {i for u, i in known if u == user}
            row = scores[user].numpy()
            found[user] = (
                reference.ranked(row, seen, K, candidates, user=user),
                truth,
            )
    return found


def _popularity(stage: TestStage, domain: str) -> list[int]:
    """Return each item's edges between old users and old items."""
    old_users = USERS - ranking.NEW_USERS
    known = [i for u, i in ranking.pairs_of(stage.tasks[domain].known) if u < old_users]
    return [known.count(i) if i < ITEMS - 6 else 0 for i in range(ITEMS)]


@pytest.mark.parametrize(("domain", "name"), CASES)
def test_every_group_equals_a_naive_loop(domain: str, name: str) -> None:
    stage, report = _plain()
    data = stage.graphs[domain][ITEM]
    vectors = {"image": {i: data.image[i].numpy() for i in range(0, ITEMS, 2)}}
    popularity = _popularity(stage, domain)
    expected = _lists(stage, domain, name)
    assert expected
    frame = report.per_user[domain].filter(group=name)
    assert frame["user_row"].to_list() == sorted(expected)
    for row in frame.to_dicts():
        items, truth = expected[row["user_row"]]
        for k in (2, K):
            values = reference.values(items, truth, k)
            assert {key: row[key] for key in values} == pytest.approx(values)
            like = reference.list_values(items, popularity, USERS - 3, vectors, k)
            for key, value in like.items():
                wanted = None if name in HITS_ONLY else value
                assert row[key] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("domain", "name"), CASES)
def test_the_summary_equals_a_naive_loop(domain: str, name: str) -> None:
    stage, report = _plain()
    expected = _lists(stage, domain, name)
    found = summary(report)[domain][name]
    _, candidates, _ = ranking.group(stage, domain, name)
    assert found["users"] == len(expected)
    assert found["candidates"] == len(candidates)
    assert found["pairs"] == sum(len(truth) for _, truth in expected.values())
    for k in (2, K):
        means = [reference.values(*lists, k) for lists in expected.values()]
        for key in means[0]:
            mean = sum(user[key] for user in means) / len(means)
            assert found[key] == pytest.approx(mean)
        lists = [items for items, _ in expected.values()]
        for key, value in reference.catalogue_values(lists, candidates, k).items():
            if name in HITS_ONLY:
                assert key not in found
            else:
                assert found[key] == pytest.approx(value, abs=1e-9)
    assert all(value == value for value in found.values())


def test_popularity_is_read_from_the_training_graphs() -> None:
    """Where old nodes bring support edges, the evaluated graph has too many."""
    stage = ranking.stage()
    fewer = {name: task.known[:, ::3] for name, task in stage.tasks.items()}
    report = _evaluate(Fake(), stage, train=ranking.old_graphs(stage, fewer))
    trained = ranking.changed(stage, lambda name, task: {"known": fewer[name]})
    for domain in ("a", "b"):
        popularity = _popularity(trained, domain)
        frame = report.per_user[domain].filter(group="all")
        lists = _lists(stage, domain, "all")
        for row in frame.to_dicts():
            items, _ = lists[row["user_row"]]
            mean = sum(popularity[i] for i in items) / len(items)
            assert row[f"average_popularity@{K}"] == pytest.approx(mean)


def test_the_model_is_asked_once_and_left_as_it_was() -> None:
    model = Fake().train()
    _evaluate(model, ranking.stage())
    assert (model.calls, model.modes, model.training) == (1, {False}, True)


def test_users_without_held_out_items_are_skipped_and_counted() -> None:
    stage = ranking.stage()
    report = _evaluate(Fake(), stage)
    for domain in ("a", "b"):
        with_truth = set(stage.tasks[domain].hidden[0].tolist())
        ranked = report.per_user[domain].filter(group="all")["user_row"].to_list()
        assert set(ranked) == with_truth
        assert report.skipped[domain] == USERS - len(with_truth) > 0
    assert report.users_per_s > 0


def _without_new_nodes() -> TestStage:
    task = ranking.stage().tasks["a"]
    data = ranking.graph(0, 0, task.known)
    return TestStage({"a": data}, {"a": replace(task, data=data)}, {})


def test_empty_groups_are_absent() -> None:
    report = _evaluate(Fake(), _without_new_nodes())
    names = set(report.per_user["a"]["group"])
    assert names == set(report.per_group["a"])
    absent = {"new_user", "new_item", "new_user_old_item", "overlap_user"}
    assert not names & {*absent, "user_history_other_domain"}
    assert {"all", "old_user", "old_item", "item_degree_0"} <= names


def test_a_restriction_to_every_item_equals_none() -> None:
    report = _evaluate(Fake(), _without_new_nodes())
    every, old = (
        report.per_user["a"].filter(group=g).drop("group") for g in ("all", "old_item")
    )
    assert every.equals(old)
    assert report.per_group["a"]["all"] == report.per_group["a"]["old_item"]


def test_groups_can_be_left_out() -> None:
    report = _evaluate(Fake(), ranking.stage(), groups=False)
    assert report.per_user["a"]["group"].unique().to_list() == ["all"]


def _nothing_hidden_in_b(stage: TestStage) -> TestStage:
    none = torch.zeros(2, 0, dtype=torch.long)
    return ranking.changed(
        stage, lambda n, t: {"hidden": none if n == "b" else t.hidden}
    )


def test_a_domain_with_nothing_held_out_is_left_empty(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = ranking.stage()
    report = _evaluate(Fake(), _nothing_hidden_in_b(stage))
    assert "domain 'b' has no held-out pair" in caplog.text
    assert report.per_user["b"].is_empty()
    assert report.skipped["b"] == USERS
    assert summary(report)["b"] == {}
    assert summary(report)["a"]


@pytest.mark.parametrize("ks", [[], [0], [ITEMS + 1]])
def test_cut_offs_that_no_list_can_fill_are_refused(ks: list[int]) -> None:
    with pytest.raises(InputError, match=f"domain 'a' has {ITEMS} items"):
        _evaluate(Fake(), ranking.stage(), ks=ks)


def _valid(stage: TestStage) -> ValidStage:
    return ValidStage(stage.graphs, stage.tasks, stage.overlap)


def test_validation_is_the_accuracy_of_the_group_all() -> None:
    model = Fake().train()
    found = validate(model, _valid(ranking.stage()), k=K, batch_size=3)
    assert model.training
    assert model.modes == {False}
    means = summary(_evaluate(Fake(), ranking.stage(), ks=[K]))
    for domain in ("a", "b"):
        expected = {name: means[domain]["all"][name] for name in found[domain]}
        assert set(found[domain]) == {f"{metric}@{K}" for metric in METRICS}
        assert found[domain] == pytest.approx(expected)


def test_validation_without_pairs_says_what_to_do() -> None:
    stage = ranking.stage()
    empty = _valid(_nothing_hidden_in_b(stage))
    with pytest.raises(InputError, match="domain 'b': no validation pair"):
        validate(Fake(), empty, k=K, batch_size=3)


def test_three_domains() -> None:
    stage = ranking.stage(domains=("a", "b", "c"))
    report = _evaluate(Fake(), stage)
    assert set(report.per_user) == {"a", "b", "c"}
    whole = pl.concat(report.per_user.values())
    assert whole["domain"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
    assert stage.graphs["c"][USER].num_nodes == USERS
