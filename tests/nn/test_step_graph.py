"""The graph of a step against one that is built from the edges that stay."""

import pytest
import torch
from reference import worlds
from torch.testing import assert_close

from micrec_pyg.graph.build import train_stage
from micrec_pyg.nn.step_graph import StepGraph, edge_places, smaller
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    USER,
    USER_TEMPLATE,
    Triplets,
)


def edges_of(data):
    """Return (user, item) of every edge that carries weight, in order."""
    return [
        tuple(pair) for pair in data[INTERACTED_BY].adj_t.to_dense().nonzero().tolist()
    ]


def step(data, batch=None, *, seed=0, targets=False, edges=0.0, users=0.0):
    layer = StepGraph(targets=targets, edges=edges, users=users)
    return layer(data, "food", batch, RandomStreams(seed))


@pytest.mark.parametrize("which", [0, 1], ids=["train", "test"])
def test_everything_is_recomputed_from_the_edges_that_stay(graph, which):
    data = graph[which]
    edges = edges_of(data)
    kept = torch.rand(len(edges), generator=torch.Generator().manual_seed(1)) < 0.6
    kept &= torch.tensor([item != edges[0][1] for _, item in edges])  # all of one item
    left = [edge for edge, stays in zip(edges, kept.tolist(), strict=True) if stays]
    found = smaller(data, kept.float())
    degree = {
        USER: [sum(u == a for u, _ in left) for a in range(data[USER].num_nodes)],
        ITEM: [sum(i == a for _, i in left) for a in range(data[ITEM].num_nodes)],
    }
    assert 0 in degree[ITEM]
    dense = torch.zeros(data[USER].num_nodes, data[ITEM].num_nodes)
    for u, i in left:
        dense[u, i] = (degree[USER][u] * degree[ITEM][i]) ** -0.5
    assert_close(found[INTERACTED_BY].adj_t.to_dense(), dense)
    assert_close(found[INTERACTS].adj_t.to_dense(), dense.T)
    for kind, other, template in (
        (USER, ITEM, ITEM_TEMPLATE),
        (ITEM, USER, USER_TEMPLATE),
    ):
        assert found[kind].degree.tolist() == degree[kind]
        templates = set(data[template].n_id.tolist())
        nodes = data[other].n_id.tolist()
        pairs = left if kind == USER else [(i, u) for u, i in left]
        rho = [
            1 + sum(a == node and nodes[b] in templates for a, b in pairs)
            for node in range(data[kind].num_nodes)
        ]
        assert found[kind].rho.tolist() == rho
        assert rho != [d + 1 for d in degree[kind]]  # some are no templates


def test_the_graph_that_is_given_stays(graph):
    data = graph[0]
    before = data[INTERACTED_BY].adj_t.to_dense().clone(), data[USER].degree.clone()
    found = smaller(data, torch.zeros(len(edges_of(data))))
    assert not bool(found[INTERACTED_BY].adj_t.values().any())
    assert bool(found[INTERACTED_BY].adj_t.values().isfinite().all())
    assert torch.equal(data[INTERACTED_BY].adj_t.to_dense(), before[0])
    assert torch.equal(data[USER].degree, before[1])
    assert found[SIMILAR_ITEM].adj_t is data[SIMILAR_ITEM].adj_t
    assert found[USER].person is data[USER].person


def test_the_positives_of_the_batch_are_removed_and_nothing_else(graph):
    data = graph[0]
    edges = edges_of(data)
    chosen = [edges[3], edges[0], edges[-1], edges[3]]
    user, pos = torch.tensor(chosen).T
    found = step(data, Triplets(user=user, pos=pos, neg=pos), targets=True)
    assert edges_of(found) == [edge for edge in edges if edge not in chosen]
    matrix = data[INTERACTED_BY].adj_t
    places = edge_places(matrix, user, pos).tolist()
    assert places == [edges.index(edge) for edge in chosen]


def test_nothing_taken_away_is_the_graph_itself(graph):
    data = graph[0]
    assert step(data) is data
    assert step(data, None, targets=True) is data


@pytest.fixture(scope="module")
def large():
    """Return the graph of 300 users with 10 items each on average."""
    edges = worlds.random_edges(300, 40, 0.25, 1)
    domain = worlds.domain("food", edges, num_users=300, num_items=40)
    options = worlds.options(num_neighbors=0)
    split = worlds.split(edges, 300, 40)
    return train_stage({"food": domain}, {"food": split}, options).graphs["food"]


def test_edges_leave_one_by_one_at_their_share(large):
    count = len(edges_of(large))
    found = step(large, edges=0.3)
    left = len(edges_of(found))
    assert abs(left / count - 0.7) < 4 * (0.21 / count) ** 0.5
    lost = 1 - found[USER].degree / large[USER].degree
    assert 0.1 < lost.std()  # each on its own, not by user
    assert edges_of(step(large, edges=0.3)) == edges_of(found)
    assert edges_of(step(large, edges=0.3, seed=1)) != edges_of(found)


def test_a_share_of_the_users_loses_all_edges(large):
    found = step(large, users=0.2)
    whole = found[USER].degree == large[USER].degree
    assert bool((whole | (found[USER].degree == 0)).all())
    assert abs(float((~whole).float().mean()) - 0.2) < 4 * (0.16 / 300) ** 0.5


def test_both_kinds_of_loss_and_targets_come_together(large):
    edges = edges_of(large)
    user, pos = torch.tensor(edges[:50]).T
    batch = Triplets(user=user, pos=pos, neg=pos)
    alone = edges_of(step(large, edges=0.3)), edges_of(step(large, users=0.2))
    found = edges_of(step(large, batch, targets=True, edges=0.3, users=0.2))
    assert found == [e for e in alone[0] if e in set(alone[1]) and e not in edges[:50]]


def test_every_step_draws_anew(large):
    layer, streams = StepGraph(targets=False, edges=0.3, users=0.0), RandomStreams(0)
    first, second = (edges_of(layer(large, "food", None, streams)) for _ in range(2))
    assert first != second
