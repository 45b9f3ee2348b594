"""The stages: their rows, tasks and templates, and what must not leak."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import graph as reference

from micrec_pyg.graph.build import (
    domain_sizes,
    test_stage,
    train_stage,
    valid_stage,
)
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    DomainSize,
    Feature,
    InputError,
)

NODES = (USER, ITEM)


def test_rows_of_both_graphs(case, options, stages):
    _, split, train, test = stages(case(), options())
    for node_type, seen in ((USER, split.seen_user), (ITEM, split.seen_item)):
        old = seen.nonzero().flatten().tolist()
        assert train[node_type].n_id.tolist() == old
        assert train[node_type].train_row.tolist() == list(range(len(old)))
        assert test[node_type].n_id.tolist() == list(range(len(seen)))
        rows = [old.index(n) if n in old else -1 for n in range(len(seen))]
        assert test[node_type].train_row.tolist() == rows


def test_templates_come_from_training_and_stay(case, options, stages):
    _, _, train, test = stages(case(), options(template_ratio=0.5))
    for template, node_type in ((USER_TEMPLATE, USER), (ITEM_TEMPLATE, ITEM)):
        chosen = train[template].n_id
        assert torch.equal(chosen, test[template].n_id)
        assert train[template].num_nodes == test[template].num_nodes == len(chosen)
        assert len(chosen) == train[node_type].num_nodes // 2
        assert set(chosen.tolist()) < set(train[node_type].n_id.tolist())


def test_templates_are_the_best_by_error_sort(case, options, stages):
    _, split, train, _ = stages(case(), options(template_ratio=0.5))
    edges = reference.in_rows(split.train, train[USER].n_id, train[ITEM].n_id)
    metrics = reference.error_sort(edges, train[USER].num_nodes, train[ITEM].num_nodes)
    for metric, node_type, template in zip(
        metrics, NODES, (USER_TEMPLATE, ITEM_TEMPLATE), strict=True
    ):
        order = np.argsort(-metric.astype(np.float32), kind="stable")
        best = sorted(order[: len(metric) // 2])
        assert train[template].n_id.tolist() == train[node_type].n_id[best].tolist()


def test_training_never_touches_unseen_nodes_or_hidden_edges(case, options, stages):
    domain, split = case()
    *_, before, _ = stages((domain, split), options())
    features = {
        name: Feature(
            torch.where(split.seen_item[:, None], feature.values, torch.nan),
            feature.mask | ~split.seen_item,
        )
        for name, feature in domain.features.items()
    }
    none = torch.zeros(2, 0, dtype=torch.int64)
    poisoned = {"food": replace(domain, features=features)}
    bare = {"food": replace(split, support=none, val=none, test=none)}
    after = train_stage(poisoned, bare, options())
    reference.assert_same_graphs(after.graphs["food"], before)


def test_test_graph_never_touches_validation_or_test_edges(case, options, stages):
    domain, split = case()
    *_, before = stages((domain, split), options())
    none = torch.zeros(2, 0, dtype=torch.int64)
    *_, after = stages((domain, replace(split, val=none, test=none)), options())
    reference.assert_same_graphs(after, before)


def test_without_unseen_nodes_the_test_graph_is_the_training_graph(
    case, options, stages, tmp_path
):
    chosen = options(cache_dir=str(tmp_path), template_ratio=0.5)
    _, split, train, test = stages(case(unseen=False), chosen)
    assert split.support.shape[1] == 0
    reference.assert_same_graphs(train, test)
    # One file for users, one for items: the test graph found both.
    assert len(list(tmp_path.iterdir())) == 2


def test_labels_and_ranking_tasks(case, options):
    domain, split = case()
    domains, splits = {"food": domain}, {"food": split}
    train = train_stage(domains, splits, options())
    data = train.graphs["food"]
    users, items = data[USER].n_id, data[ITEM].n_id
    labels = reference.in_rows(split.train, users, items)
    assert [tuple(e) for e in train.labels["food"].T.tolist()] == labels

    valid = valid_stage(train, domains, splits, options())
    task = valid.tasks["food"]
    assert valid.rule == "seen"
    assert valid.graphs["food"] is task.data is data
    assert task.known is train.labels["food"]
    seen = split.seen_user[split.val[0]] & split.seen_item[split.val[1]]
    assert 0 < int(seen.sum()) < split.val.shape[1]
    hidden = reference.in_rows(split.val[:, seen], users, items)
    assert [tuple(e) for e in task.hidden.T.tolist()] == hidden

    test = test_stage(train, domains, splits, options())
    known = torch.cat([split.train, split.support, split.val], dim=1)
    assert torch.equal(test.tasks["food"].known, known)
    assert torch.equal(test.tasks["food"].hidden, split.test)


def test_three_domains_and_their_common_users(case, options):
    cases = {
        "food": case("food", seed=1),
        "books": case("books", seed=2, first_user=4, num_items=9),
        "music": case("music", seed=3, first_user=100, unseen=False),
    }
    domains = {name: domain for name, (domain, _) in cases.items()}
    splits = {name: split for name, (_, split) in cases.items()}
    chosen = options(template_metric="random", template_ratio=0.5)
    train = train_stage(domains, splits, chosen)
    test = test_stage(train, domains, splits, chosen)
    pairs = [("books", "food"), ("books", "music"), ("food", "music")]
    for stage in (train, test):
        assert sorted(stage.overlap) == pairs
        for (a, b), rows in stage.overlap.items():
            ids = [
                domains[n].interactions.users.ids.gather(
                    stage.graphs[n][USER].n_id.tolist()
                )
                for n in (a, b)
            ]
            shared = [u for u in ids[0] if u in set(ids[1])]
            assert ids[0].gather(rows[0].tolist()).to_list() == shared
            assert ids[1].gather(rows[1].tolist()).to_list() == shared
    # books has u4..u15, food u0..u11: eight in common, fewer among the seen.
    assert test.overlap["books", "food"].shape == (2, 8)
    assert train.overlap["books", "food"].shape[1] < 8

    for name in cases:
        alone = train_stage({name: domains[name]}, splits, chosen)
        # other domains decide who a person is, and nothing else
        reference.assert_same_graphs(
            alone.graphs[name], train.graphs[name], but=["person"]
        )


def test_domain_sizes(case, options):
    domain, split = case()
    train = train_stage({"food": domain}, {"food": split}, options(template_ratio=0.5))
    # 12 users and 15 items, three of each unseen.
    assert domain_sizes(train) == {
        "food": DomainSize(
            num_users=9,
            num_items=12,
            num_user_templates=4,
            num_item_templates=6,
            widths={"image": 4, "text": 6},
        )
    }


def test_a_domain_without_training_edges_is_refused(case, options):
    domain, split = case()
    empty = replace(split, train=split.train[:, :0])
    with pytest.raises(InputError, match="domain food has no training interaction"):
        train_stage({"food": domain}, {"food": empty}, options())


def test_training_edges_of_unseen_nodes_are_refused(case, options):
    domain, split = case()
    wrong = replace(split, train=torch.cat([split.train, split.support], dim=1))
    with pytest.raises(ValueError, match=f"{split.support.shape[1]} training edges"):
        train_stage({"food": domain}, {"food": wrong}, options())


def test_the_log_says_when_w_has_no_effect(case, options, caplog):
    domain, split = case()
    text = replace(domain, features={"text": domain.features["text"]})
    with caplog.at_level("INFO", logger="micrec_pyg.graph"):
        train_stage({"food": text}, {"food": split}, options())
    assert "domain food: text alone, w has no effect" in caplog.messages
