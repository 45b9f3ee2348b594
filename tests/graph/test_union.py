"""The union of all domains: by raw ids, against a naive loop, and of one domain."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import controls as reference
from reference import graph as graphs
from reference import worlds

from micrec_pyg.graph.build import test_stage, train_stage, valid_stage
from micrec_pyg.graph.check import check_graph
from micrec_pyg.graph.union import merge
from micrec_pyg.schema import (
    INTERACTED_BY,
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    Feature,
    InputError,
)

UNION = "books+food+music"


def union_of(domains, splits, **changes):
    """Return (training stage, test stage)."""
    options = worlds.options(union=True, **changes)
    train = train_stage(domains, splits, options)
    return train, test_stage(train, domains, splits, options)


def names_of(data, domains, splits):
    """Return the raw ids of the rows of the union's graph."""
    merged = merge(domains, splits).domain.interactions
    users = merged.users.ids.gather(data[USER].n_id.tolist()).to_list()
    items = merged.items.ids.gather(data[ITEM].n_id.tolist()).to_list()
    return users, [tuple(item.split("/")) for item in items]


def raw_edges_of(data, domains, splits):
    users, items = names_of(data, domains, splits)
    to_users = data[INTERACTED_BY].adj_t.to_dense()
    return {(users[u], items[i]) for u, i in to_users.nonzero().tolist()}


def test_both_graphs_have_the_edges_and_nodes_of_all_domains_by_raw_id():
    domains, splits = worlds.worlds()
    train, test = union_of(domains, splits)
    trained = train.graphs[UNION]
    train_edges = reference.union_edges(domains, splits, "train")
    support = reference.union_edges(domains, splits, "support")
    assert raw_edges_of(trained, domains, splits) == set(train_edges)
    everything = set(train_edges) | set(support)
    assert raw_edges_of(test.graphs[UNION], domains, splits) == everything

    seen_users, seen_items = reference.union_seen(domains, splits)
    users, items = names_of(trained, domains, splits)
    assert (set(users), set(items)) == (seen_users, seen_items)
    assert len(users) == len(seen_users)
    # food has u0..u11 and books u4..u15: eight people are in both.
    assert test.graphs[UNION][USER].num_nodes == 12 + 12 + 12 - 8
    test_users, _ = names_of(test.graphs[UNION], domains, splits)
    rows = [users.index(u) if u in seen_users else -1 for u in test_users]
    assert test.graphs[UNION][USER].train_row.tolist() == rows
    for data in (trained, test.graphs[UNION]):
        check_graph(data)


def test_weights_count_the_edges_of_all_domains():
    domains, splits = worlds.worlds()
    train, _ = union_of(domains, splits)
    data = train.graphs[UNION]
    users, items = names_of(data, domains, splits)
    edges = [
        (users.index(u), items.index(i))
        for u, i in reference.union_edges(domains, splits, "train")
    ]
    expected = graphs.normalised(edges, len(users), len(items))
    found = data[INTERACTED_BY].adj_t.to_dense().numpy()
    assert found == pytest.approx(expected, rel=1e-6)
    pairs = zip(*train.labels[UNION].tolist(), strict=True)
    assert sorted(pairs) == sorted(edges)
    assert train.overlap == {}


def test_neighbours_are_searched_over_all_domains():
    domains, splits = worlds.worlds()
    train, _ = union_of(domains, splits)
    data = train.graphs[UNION]
    _, items = names_of(data, domains, splits)
    modalities = {}
    for modality in ("text", "image"):
        values, mask = [], []
        for name, raw in items:
            row = domains[name].interactions.items.ids.to_list().index(raw)
            feature = domains[name].features[modality]
            values.append(feature.values[row].numpy())
            mask.append(bool(feature.mask[row]))
        modalities[modality] = np.stack(values), np.array(mask)
    lists = graphs.neighbors(modalities, {"text": 0.9, "image": 0.1}, 3, False)
    entries = [(a, b, s) for a, found in enumerate(lists) for b, s in found]
    expected = graphs.dense((len(items),) * 2, *zip(*entries, strict=True))
    assert (data[SIMILAR_ITEM].adj_t.to_dense().numpy() == expected).all()
    assert any(items[a][0] != items[b][0] for a, b, _ in entries)
    for task in train.tasks.values():
        own = task.data  # no model reads it: neighbours would be for nothing
        assert own[SIMILAR_ITEM].adj_t._nnz() == own[SIMILAR_USER].adj_t._nnz() == 0


def test_the_union_of_one_domain_is_that_domain_bit_for_bit():
    domain, split = worlds.world()
    domains, splits = {"food": domain}, {"food": split}
    train, test = union_of(domains, splits, template_ratio=0.5)
    plain = worlds.options(template_ratio=0.5)
    own = train_stage(domains, splits, plain)
    graphs.assert_same_graphs(train.graphs["food"], own.graphs["food"])
    assert torch.equal(train.labels["food"], own.labels["food"])
    alone = test_stage(own, domains, splits, plain)
    graphs.assert_same_graphs(test.graphs["food"], alone.graphs["food"])


def test_stages_rank_every_domain_as_without_the_union():
    domains, splits = worlds.worlds()
    options, plain = worlds.options(union=True), worlds.options(num_neighbors=0)
    train, test = union_of(domains, splits)
    alone = train_stage(domains, splits, plain)
    stages = [
        (
            valid_stage(train, domains, splits, options),
            valid_stage(alone, domains, splits, plain),
        ),
        (test, test_stage(alone, domains, splits, plain)),
    ]
    for ours, theirs in stages:
        assert list(ours.graphs) == [UNION]
        assert list(ours.tasks) == list(theirs.tasks)
        for name, task in theirs.tasks.items():
            mine = ours.tasks[name]
            assert (mine.graph, task.graph) == (UNION, name)
            assert task.user is None
            assert task.item is None
            graphs.assert_same_graphs(mine.data, task.data)
            assert torch.equal(mine.known, task.known)
            assert torch.equal(mine.hidden, task.hidden)
        for pair, rows in theirs.overlap.items():
            assert torch.equal(ours.overlap[pair], rows)


def test_a_task_knows_the_rows_of_its_own_nodes():
    domains, splits = worlds.worlds()
    for stage in union_of(domains, splits):
        users, items = names_of(stage.graphs[UNION], domains, splits)
        for name, task in stage.tasks.items():
            data = domains[name].interactions
            ids = data.users.ids.gather(task.data[USER].n_id.tolist())
            assert [users[row] for row in task.user.tolist()] == ids.to_list()
            ids = data.items.ids.gather(task.data[ITEM].n_id.tolist())
            assert [items[row] for row in task.item.tolist()] == [
                (name, raw) for raw in ids
            ]


def test_a_user_of_the_union_is_the_same_person_as_in_the_domains():
    domains, splits = worlds.worlds()
    for stage in union_of(domains, splits):
        person = stage.graphs[UNION][USER].person
        assert len(person.unique()) == len(person)
        for task in stage.tasks.values():
            assert torch.equal(person[task.user], task.data[USER].person)


def test_the_order_of_the_domains_does_not_matter():
    domains, splits = worlds.worlds()
    turned = dict(reversed(domains.items()))
    (first, _), (second, _) = (union_of(d, splits) for d in (domains, turned))
    graphs.assert_same_graphs(first.graphs[UNION], second.graphs[UNION])
    assert torch.equal(first.labels[UNION], second.labels[UNION])


@pytest.mark.parametrize("neighbors", ["features", "cooccurrence"])
def test_hidden_edges_change_nothing(neighbors):
    domains, splits = worlds.worlds()
    fewer = {
        name: replace(split, val=split.val[:, :1], test=split.test[:, :1])
        for name, split in splits.items()
    }
    made = [union_of(domains, s, neighbors=neighbors) for s in (splits, fewer)]
    for stage, other in zip(*made, strict=True):
        graphs.assert_same_graphs(stage.graphs[UNION], other.graphs[UNION])


def test_a_domain_without_a_modality_is_masked():
    domains, splits = worlds.worlds()
    domains["music"] = replace(domains["music"], features={})
    features = merge(domains, splits).domain.features
    assert set(features) == {"text", "image"}
    order = [
        name for name in sorted(domains) for _ in domains[name].interactions.items.ids
    ]
    mask = features["text"].mask.tolist()
    assert not any(m for m, name in zip(mask, order, strict=True) if name == "music")
    food = [m for m, name in zip(mask, order, strict=True) if name == "food"]
    assert food == domains["food"].features["text"].mask.tolist()


def test_vectors_of_different_widths_are_refused():
    domains, splits = worlds.worlds()
    text = domains["food"].features["text"]
    wide = Feature(torch.zeros(len(text.mask), 7), text.mask)
    domains["food"] = replace(domains["food"], features={"text": wide})
    with pytest.raises(InputError, match=r"books 6, food 7, music 6"):
        merge(domains, splits)
