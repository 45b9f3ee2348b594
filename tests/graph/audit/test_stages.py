"""A graph that holds hidden interactions is found out; a clean one is not."""

import copy
from dataclasses import replace

import pytest
import torch
from reference import worlds

from micrec_pyg.graph.audit import neighbors as audit_neighbors
from micrec_pyg.graph.audit.stages import audit_stages
from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.graph.build import train_stage, valid_stage
from micrec_pyg.graph.domain_graph import domain_graph
from micrec_pyg.graph.node_rows import all_rows, training_rows
from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
    Feature,
)

NAME = "food"
CONTROLS = [
    {},
    {"num_neighbors": 1},
    {"num_neighbors": 0},
    {"max_user_neighbors": 1},
    {"max_user_neighbors": 0, "neighbors": "cooccurrence"},
    {"num_neighbors": 40, "knn_lists": 40},
    {"knn_include_self": True},
    {"neighbors": "cooccurrence"},
    {"neighbors": "cooccurrence", "knn_include_self": True},
    {"w": 1.0},
    {"w": 0.0},
    {"template_ratio": 0.4},
    {"union": True},
    {"union": True, "neighbors": "cooccurrence"},
    {"overlap": "random_pairs", "overlap_ratio": 0.5},
]


def built(domains, splits, options):
    train = train_stage(domains, splits, options)
    test = make_test_stage(train, domains, splits, options)
    return train, valid_stage(train, domains, splits, options), test


def audited(domains, splits, options, stages):
    return audit_stages(domains, splits, options, stages)


@pytest.fixture
def world():
    """Return domains, splits, options and stages; the stages may be changed."""
    domains, splits = worlds.worlds()
    options = worlds.options()
    stages = built(domains, splits, options)
    for stage in (stages[0], stages[2]):
        stage.graphs.update({n: copy.copy(g) for n, g in stage.graphs.items()})
    return domains, splits, options, stages


def rebuilt(world, edges, *, test, domain=None):
    """Return the graph of the first domain, on other edges (vocabulary indices)."""
    domains, splits, options, (train, *_) = world
    split, rows = splits[NAME], all_rows if test else training_rows
    users, items = rows(split.seen_user), rows(split.seen_item)
    templates = train.graphs[NAME]
    return domain_graph(
        domain or domains[NAME],
        torch.stack(
            [
                torch.searchsorted(users.n_id, edges[0].contiguous()),
                torch.searchsorted(items.n_id, edges[1].contiguous()),
            ]
        ),
        users=users,
        items=items,
        person=train.person[NAME],
        user_templates=templates[USER_TEMPLATE].n_id,
        item_templates=templates[ITEM_TEMPLATE].n_id,
        options=options,
    )


def seen_only(split, edges):
    return edges[:, split.seen_user[edges[0]] & split.seen_item[edges[1]]]


def raw(world, edge):
    data = world[0][NAME].interactions
    return f"user {data.users.ids[int(edge[0])]}, item {data.items.ids[int(edge[1])]}"


@pytest.mark.parametrize("changes", CONTROLS, ids=str)
def test_what_a_run_builds_is_clean(changes):
    domains, splits = worlds.worlds()
    options = worlds.options(**changes)
    stages = built(domains, splits, options)
    assert audited(domains, splits, options, stages) == []


@pytest.mark.parametrize("missing", ["text", "image", "both"])
def test_a_domain_without_a_modality_is_clean(missing):
    domains, splits = worlds.worlds()
    gone = {"text", "image"} if missing == "both" else {missing}
    domains[NAME] = replace(
        domains[NAME],
        features={n: f for n, f in domains[NAME].features.items() if n not in gone},
    )
    options = worlds.options()
    stages = built(domains, splits, options)
    assert audited(domains, splits, options, stages) == []


@pytest.mark.parametrize("part", ["val", "test"])
def test_hidden_edges_in_the_training_graph(world, part):
    domains, splits, options, stages = world
    hidden = seen_only(splits[NAME], getattr(splits[NAME], part))
    assert hidden.shape[1] > 0
    edges = torch.cat([splits[NAME].train, hidden], dim=1)
    # the validation stage has the very same graphs
    stages[0].graphs[NAME] = rebuilt(world, edges, test=False)
    found = audited(domains, splits, options, stages)
    messages = next(f for f in found if "carry messages" in f.message)
    assert messages.check == "hidden_messages"
    assert messages.where == "food (training graph)"
    assert messages.count == hidden.shape[1]
    assert messages.examples[0] in {raw(world, edge) for edge in hidden.T}
    assert {f.check for f in found} == {"hidden_messages", "user_features"}


@pytest.mark.parametrize("part", ["val", "test"])
def test_hidden_edges_in_the_test_graph(world, part):
    domains, splits, options, stages = world
    split = splits[NAME]
    edges = torch.cat([split.train, split.support, getattr(split, part)], dim=1)
    stages[2].graphs[NAME] = rebuilt(world, edges, test=True)
    found = audited(domains, splits, options, stages)
    messages = next(f for f in found if "carry messages" in f.message)
    assert messages.where == "food (test graph)"
    assert messages.count == getattr(split, part).shape[1]


def test_a_validation_graph_of_its_own(world):
    domains, splits, options, stages = world
    split = splits[NAME]
    edges = torch.cat([split.train, seen_only(split, split.val)], dim=1)
    own = {**stages[1].graphs, NAME: rebuilt(world, edges, test=False)}
    stages = stages[0], replace(stages[1], graphs=own), stages[2]
    found = audited(domains, splits, options, stages)
    assert {f.where for f in found} == {"food (validation graph)"}


@pytest.mark.parametrize(
    "edge_type", [INTERACTS, INTERACTED_BY, DESCRIBES_USER, DESCRIBES_ITEM], ids=str
)
def test_a_single_hidden_edge_of_one_kind(world, edge_type):
    """Each kind of message is looked at, also where the others are clean."""
    domains, splits, options, stages = world
    split = splits[NAME]
    data = stages[0].graphs[NAME]
    edge = seen_only(split, split.test)[:, :1]
    leaky = rebuilt(world, torch.cat([split.train, edge], dim=1), test=False)
    for key in ("adj_t", "adj", "perm"):
        if key in leaky[edge_type]:
            data[edge_type][key] = leaky[edge_type][key]
    (finding,) = audited(domains, splits, options, stages)
    assert (finding.check, finding.count) == ("hidden_messages", 1)
    assert finding.examples == (raw(world, edge[:, 0]),)


@pytest.mark.parametrize("stage", ["training", "test"])
@pytest.mark.parametrize("neighbors", ["features", "cooccurrence"])
@pytest.mark.parametrize("union", [False, True])
def test_neighbours_that_know_hidden_edges(stage, neighbors, union):
    """The messages are clean; only the similarity edges of users betray it."""
    domains, splits = worlds.worlds()
    options = worlds.options(neighbors=neighbors, union=union)
    stages = built(domains, splits, options)
    leaky = {
        name: worlds.split(
            torch.cat([s.train, seen_only(s, s.test)], dim=1),
            len(s.seen_user),
            len(s.seen_item),
            unseen_users=(~s.seen_user).nonzero().flatten().tolist(),
            unseen_items=(~s.seen_item).nonzero().flatten().tolist(),
            support=s.support,
        )
        for name, s in splits.items()
    }
    betrayed = built(domains, leaky, options)
    place = 0 if stage == "training" else 2
    graphs, others = stages[place].graphs, betrayed[place].graphs
    name = "books+food+music" if union else NAME
    data, other = graphs[name], others[name]
    data[SIMILAR_USER].adj_t = other[SIMILAR_USER].adj_t
    found = audited(domains, splits, options, stages)
    assert [f.check for f in found] == ["user_features"]
    assert found[0].where == f"{name} ({stage} graph)"


@pytest.mark.parametrize("sample", [1, 500])
def test_one_hidden_edge_in_the_features_of_one_user(world, sample, monkeypatch):
    # of every node the edges are checked, of some also what is missing
    monkeypatch.setattr(audit_neighbors, "SAMPLE", sample)
    domains, splits, options, stages = world
    split = splits[NAME]
    has_text = domains[NAME].features["text"].mask
    edge = next(
        e[:, None] for e in seen_only(split, split.test).T if bool(has_text[e[1]])
    )
    leaky = rebuilt(world, torch.cat([split.train, edge], dim=1), test=False)
    stages[0].graphs[NAME][SIMILAR_USER].adj_t = leaky[SIMILAR_USER].adj_t
    found = audited(domains, splits, options, stages)
    assert [f.check for f in found] == ["user_features"]


def test_item_neighbours_of_other_features(world):
    """As a stale cache gives them: the lists of features that were there before."""
    domains, splits, options, stages = world
    features = dict(domains[NAME].features)
    text = features["text"]
    values = text.values.clone()
    item = int(text.mask.nonzero()[2])
    values[item] = values[item].flip(0) + 1
    features["text"] = Feature(values=values, mask=text.mask)
    stale = rebuilt(
        world,
        torch.cat([splits[NAME].train, splits[NAME].support], dim=1),
        test=True,
        domain=replace(domains[NAME], features=features),
    )
    stages[2].graphs[NAME][SIMILAR_ITEM].adj_t = stale[SIMILAR_ITEM].adj_t
    found = audited(domains, splits, options, stages)
    assert [(f.check, f.where) for f in found] == [("neighbors", "food (test graph)")]


@pytest.mark.parametrize("fault", ["missing", "weaker", "too many"])
def test_neighbours_that_are_not_the_best(world, fault):
    domains, splits, options, stages = world
    data = stages[0].graphs[NAME]
    num = data[ITEM].num_nodes
    more = rebuilt(
        (domains, splits, worlds.options(num_neighbors=4), stages),
        splits[NAME].train,
        test=False,
    )[SIMILAR_ITEM].adj_t
    matrix = data[SIMILAR_ITEM].adj_t if fault == "missing" else more
    row = torch.repeat_interleave(torch.arange(num), matrix.crow_indices().diff())
    col, value = matrix.col_indices().long(), matrix.values()
    full = int(matrix.crow_indices().diff().argmax())
    mine = (row == full).nonzero().flatten()
    if fault == "weaker":  # the three weakest of the four best
        others = row != full
        best = mine[value[mine].argmax()]
        others[mine] = mine != best
        keep = others & ((row == full) | (row == -1))
        matrix = data[SIMILAR_ITEM].adj_t
        right = torch.repeat_interleave(torch.arange(num), matrix.crow_indices().diff())
        rest = right != full
        row = torch.cat([right[rest], row[keep]])
        col = torch.cat([matrix.col_indices().long()[rest], col[keep]])
        value = torch.cat([matrix.values()[rest], value[keep]])
        order = torch.argsort(row * num + col)
        row, col, value = row[order], col[order], value[order]
    elif fault == "missing":
        keep = torch.ones(len(row), dtype=torch.bool)
        keep[mine[0]] = False
        row, col, value = row[keep], col[keep], value[keep]
    data[SIMILAR_ITEM].adj_t = sparse_csr(row, col, value, (num, num))
    (finding,) = audited(domains, splits, options, stages)
    assert finding.check == "neighbors"
    if fault != "too many":
        assert finding.count == 1
        place = int(data[ITEM].n_id[full])
        item = domains[NAME].interactions.items.ids[place]
        assert finding.examples == (f"item {item}",)


def test_degrees_that_count_hidden_edges(world):
    domains, splits, options, stages = world
    data = stages[0].graphs[NAME]
    degree = data[ITEM].degree.clone()
    degree[4] += 1
    data[ITEM].degree = degree
    (finding,) = audited(domains, splits, options, stages)
    item = domains[NAME].interactions.items.ids[int(data[ITEM].n_id[4])]
    assert (finding.check, finding.examples) == ("hidden_messages", (f"item {item}",))


def test_labels_that_are_hidden_edges(world):
    domains, splits, options, stages = world
    train, valid, _ = stages
    hidden = valid.tasks[NAME].hidden
    train.labels[NAME] = torch.cat([train.labels[NAME], hidden], dim=1)
    (finding,) = audited(domains, splits, options, stages)
    assert "labels" in finding.message
    assert finding.count == hidden.shape[1]


@pytest.mark.parametrize("place", [1, 2])
def test_pairs_that_are_asked_for_and_known(world, place):
    domains, splits, options, stages = world
    known = stages[0].labels[NAME][:, :2]
    if place == 2:
        known = splits[NAME].train[:, :2]
    tasks = stages[place].tasks
    hidden = torch.cat([tasks[NAME].hidden, known], dim=1)
    tasks[NAME] = replace(tasks[NAME], hidden=hidden)
    (finding,) = audited(domains, splits, options, stages)
    assert (finding.check, finding.count) == ("overlap", 2)


@pytest.mark.parametrize("node", [USER, ITEM, USER_TEMPLATE, ITEM_TEMPLATE])
def test_new_nodes_in_training(world, node):
    domains, splits, options, stages = world
    side = "seen_user" if node in (USER, USER_TEMPLATE) else "seen_item"
    train = stages[0].graphs[NAME]
    # a node of the training graph that the split takes for new
    place = int(train[node].n_id[0])
    seen = getattr(splits[NAME], side).clone()
    seen[place] = False
    splits = {**splits, NAME: replace(splits[NAME], **{side: seen})}
    found = audited(domains, splits, options, stages)
    assert {f.check for f in found} == {"unseen_nodes"}
    assert {f.where for f in found} == {"food (training graph)", "food (test graph)"}
    assert {f.count for f in found} == {1}
