"""Validation that ranks new nodes: its graphs grow, and know nothing of the test."""

from dataclasses import replace

import pytest
import torch
from reference import graph as graphs
from reference import worlds

from micrec_pyg.graph.audit.stages import audit_stages
from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.graph.build import train_stage, valid_stage
from micrec_pyg.graph.check import check_graph
from micrec_pyg.schema import INTERACTED_BY, ITEM, ITEM_TEMPLATE, USER, USER_TEMPLATE

OPTIONS = [{}, {"neighbors": "cooccurrence"}, {"union": True}]


def grown():
    """Return three domains, half of whose support edges are known at validation."""
    domains, splits = worlds.worlds()
    found = {}
    for name, split in splits.items():
        half = split.support.shape[1] // 2
        late, early = split.support[:, :half], split.support[:, half:]
        # some pairs of new nodes validate
        val = torch.cat([split.val, split.test[:, -2:]], dim=1)
        found[name] = replace(
            split,
            support=late,
            val_support=early,
            val=val,
            test=split.test[:, :-2],
            select="new",
        )
    return domains, found


def staged(domains, splits, **changes):
    options = worlds.options(**changes)
    train = train_stage(domains, splits, options)
    return train, valid_stage(train, domains, splits, options), options


def pairs_of(task, pairs):
    """Return pairs of rows as vocabulary indices."""
    user, item = task.data[USER].n_id[pairs[0]], task.data[ITEM].n_id[pairs[1]]
    return sorted(zip(user.tolist(), item.tolist(), strict=True))


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_it_knows_the_edges_of_validation_and_all_nodes(changes):
    domains, splits = grown()
    train, valid, _ = staged(domains, splits, **changes)
    assert valid.rule == "new"
    for data in valid.graphs.values():
        check_graph(data)
        assert bool((data[USER].train_row < 0).any())
    for name, split in splits.items():
        task = valid.tasks[name]
        check_graph(task.data)
        assert task.data[USER].num_nodes == len(split.seen_user)
        assert task.data[ITEM].num_nodes == len(split.seen_item)
        for template in (USER_TEMPLATE, ITEM_TEMPLATE):
            own = train.tasks[name].data
            assert torch.equal(task.data[template].n_id, own[template].n_id)
        known = sorted(
            map(tuple, [*split.train.T.tolist(), *split.val_support.T.tolist()])
        )
        edges = task.data[INTERACTED_BY].adj_t.to_dense().nonzero().T
        assert pairs_of(task, edges) == known
        assert pairs_of(task, task.known) == known
        hidden = sorted(map(tuple, split.val.T.tolist()))
        assert pairs_of(task, task.hidden) == hidden
        new = ~split.seen_user[split.val[0]] | ~split.seen_item[split.val[1]]
        assert bool(new.any())


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_it_sees_nothing_that_the_test_alone_may_know(changes):
    """Whatever test, support and silent edges are, not a bit of it changes."""
    domains, splits = grown()
    _, valid, _ = staged(domains, splits, **changes)
    none = torch.zeros(2, 0, dtype=torch.long)
    for change in (
        {"test": none},
        {"support": none},
        {"silent": splits["food"].test.flip(1)},
        {"test": none, "support": none},
    ):
        other = {name: replace(split, **change) for name, split in splits.items()}
        _, again, _ = staged(domains, other, **changes)
        for name, data in valid.graphs.items():
            graphs.assert_same_graphs(again.graphs[name], data)
        for name, task in valid.tasks.items():
            assert torch.equal(again.tasks[name].known, task.known)
            assert torch.equal(again.tasks[name].hidden, task.hidden)


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_the_test_knows_the_support_of_both(changes):
    domains, splits = grown()
    train, _, options = staged(domains, splits, **changes)
    together = {
        name: replace(
            split,
            support=torch.cat([split.support, split.val_support], dim=1),
            val_support=split.val_support[:, :0],
        )
        for name, split in splits.items()
    }
    one, other = (
        make_test_stage(train, domains, each, options) for each in (splits, together)
    )
    for name, data in one.graphs.items():
        graphs.assert_same_graphs(data, other.graphs[name])
    for name, task in one.tasks.items():
        assert pairs_of(task, task.known) == pairs_of(
            other.tasks[name], other.tasks[name].known
        )


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_an_audit_finds_it_clean(changes):
    domains, splits = grown()
    train, valid, options = staged(domains, splits, **changes)
    test = make_test_stage(train, domains, splits, options)
    assert audit_stages(domains, splits, options, (train, valid, test)) == []


@pytest.mark.parametrize("part", ["support", "val", "test"])
def test_an_audit_finds_edges_that_validation_must_not_know(part):
    domains, splits = grown()
    train, _, options = staged(domains, splits)
    leaky = {
        name: replace(
            split,
            val_support=torch.cat([split.val_support, getattr(split, part)], dim=1),
        )
        for name, split in splits.items()
    }
    valid = valid_stage(train, domains, leaky, options)
    test = make_test_stage(train, domains, splits, options)
    found = audit_stages(domains, splits, options, (train, valid, test))
    messages = [f for f in found if "carry messages" in f.message]
    assert {f.where for f in messages} == {f"{n} (validation graph)" for n in splits}
    for finding in messages:
        name = finding.where.partition(" ")[0]
        assert finding.count == getattr(splits[name], part).shape[1]
