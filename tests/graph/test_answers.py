"""A ranking task without the new nodes that a model does not answer."""

import logging
from dataclasses import replace

import polars as pl
import pytest
import torch
from reference import graph as graphs
from reference import worlds
from reference.ranking import Fake

from micrec_pyg.evaluation.evaluate import evaluate
from micrec_pyg.evaluation.groups import COMPARABLE
from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.graph.build import train_stage, valid_stage
from micrec_pyg.graph.check import check_graph
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER

ANSWERS = [frozenset(), frozenset({USER}), frozenset({ITEM}), frozenset({USER, ITEM})]
BOTH = frozenset({USER, ITEM})


def staged(answers, **changes):
    """Return (splits, training stage, test stage) of three domains."""
    domains, splits = worlds.worlds()
    options = worlds.options(**changes)
    train = train_stage(domains, splits, options)
    made = make_test_stage(train, domains, splits, options, answers=answers)
    return splits, train, made


def users_and_items(split, answers):
    """Return the vocabulary indices of the nodes that stay, by loops."""
    return [
        [n for n, old in enumerate(seen.tolist()) if old or kind in answers]
        for kind, seen in ((USER, split.seen_user), (ITEM, split.seen_item))
    ]


def inside(pairs, nodes):
    """Return the pairs whose two ends stay, by a loop."""
    users, items = map(set, nodes)
    return [(u, i) for u, i in pairs.T.tolist() if u in users and i in items]


def raw(task, pairs):
    """Return pairs of rows as vocabulary indices."""
    user, item = task.data[USER].n_id[pairs[0]], task.data[ITEM].n_id[pairs[1]]
    return list(zip(user.tolist(), item.tolist(), strict=True))


@pytest.mark.parametrize("union", [False, True])
@pytest.mark.parametrize("answers", ANSWERS, ids=sorted)
def test_the_task_is_the_naive_filter(answers, union):
    splits, train, test = staged(answers, union=union)
    for name, split in splits.items():
        nodes, task = users_and_items(split, answers), test.tasks[name]
        for kind, expected in zip((USER, ITEM), nodes, strict=True):
            assert task.data[kind].n_id.tolist() == expected
        check_graph(task.data)
        message = torch.cat([split.train, split.support], dim=1)
        edges = task.data[INTERACTED_BY].adj_t.to_dense().nonzero().T
        assert sorted(raw(task, edges)) == sorted(inside(message, nodes))
        known = torch.cat([split.train, split.support, split.val], dim=1)
        assert raw(task, task.known) == inside(known, nodes)
        assert raw(task, task.hidden) == inside(split.test, nodes)
        assert task.left_out == BOTH - answers
    for name, data in test.graphs.items():
        check_graph(data)
        for kind in BOTH - answers:
            assert bool((data[kind].train_row >= 0).all())
        for kind in answers:
            assert bool((data[kind].train_row < 0).any())
        # in a union, who is seen in one domain has support edges in another
        if not answers and not union:
            graphs.assert_same_graphs(data, train.graphs[name])


def by_id(report, stage, group):
    """Return the rows of one group with vocabulary indices for rows."""
    frames = []
    for name, frame in report.per_user.items():
        row = frame.filter(group=group).with_columns(
            pl.col("user_row").map_elements(
                stage.tasks[name].data[USER].n_id.tolist().__getitem__, pl.Int64
            )
        )
        frames.append(row)
    return pl.concat(frames, how="diagonal")


@pytest.mark.parametrize("union", [False, True])
@pytest.mark.parametrize("answers", ANSWERS[:3], ids=sorted)
def test_groups_equal_those_of_a_model_that_answers_everything(answers, union):
    """``Fake`` scores a pair by its two nodes, whatever the graph."""
    options = {"ks": [2, 4], "batch_size": 5, "groups": True}
    _, train, full = staged(BOTH, union=union)
    _, _, part = staged(answers, union=union)
    whole, report = (evaluate(Fake(), s, train=train, **options) for s in (full, part))
    for name, frame in report.per_user.items():
        reported = frame["group"].unique(maintain_order=True).to_list()
        there = set(whole.per_user[name]["group"])
        named = COMPARABLE[BOTH - answers]
        assert reported == [group for group in named if group in there]
        assert reported
        for group in reported:
            # items have other rows: a sum over them may round in another order
            expected = pytest.approx(whole.per_group[name][group])
            assert report.per_group[name][group] == expected
    for group in COMPARABLE[BOTH - answers]:
        assert by_id(report, part, group).equals(by_id(whole, full, group))


@pytest.mark.parametrize("answers", ANSWERS[:3], ids=sorted)
def test_without_groups_the_widest_comparable_one_is_reported(answers):
    _, _, part = staged(answers)
    report = evaluate(Fake(), part, ks=[2], batch_size=5, groups=False)
    widest = COMPARABLE[BOTH - answers][0]
    for frame in report.per_user.values():
        assert set(frame["group"]) == {widest}


def seen_everywhere(splits):
    """Return the splits with every node called seen."""
    return {
        name: replace(
            split,
            seen_user=torch.ones_like(split.seen_user),
            seen_item=torch.ones_like(split.seen_item),
        )
        for name, split in splits.items()
    }


def test_where_no_node_is_new_nothing_is_left_out(caplog):
    domains, splits = worlds.worlds()
    splits, options = seen_everywhere(splits), worlds.options()
    train = train_stage(domains, splits, options)
    with caplog.at_level(logging.WARNING):
        part = make_test_stage(train, domains, splits, options, answers=frozenset())
    assert caplog.messages == []
    full = make_test_stage(train, domains, splits, options)
    for name, task in full.tasks.items():
        assert part.tasks[name].left_out == frozenset()
        graphs.assert_same_graphs(part.graphs[name], full.graphs[name])
        assert torch.equal(part.tasks[name].hidden, task.hidden)


def test_the_log_says_in_one_line_what_is_left_out(caplog):
    with caplog.at_level(logging.WARNING):
        staged(frozenset({USER}))
    assert caplog.messages == [
        "the model has no answer for new nodes and is not ranked on them: 3 items of "
        "food, 3 items of books, 3 items of music are left out"
    ]


@pytest.mark.parametrize("answers", ANSWERS, ids=sorted)
def test_a_growing_validation_leaves_out_the_same_nodes(answers):
    domains, splits = worlds.worlds()
    options = worlds.options()
    splits = {name: replace(split, select="new") for name, split in splits.items()}
    train = train_stage(domains, splits, options)
    valid = valid_stage(train, domains, splits, options, answers=answers)
    for name, split in splits.items():
        nodes, task = users_and_items(split, answers), valid.tasks[name]
        assert task.data[USER].n_id.tolist() == nodes[0]
        assert task.data[ITEM].n_id.tolist() == nodes[1]
        assert raw(task, task.hidden) == inside(split.val, nodes)
        assert task.left_out == BOTH - answers
