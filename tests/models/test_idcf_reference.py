"""IDCF against its equations."""

import numpy as np
import pytest
from reference import nn as naive
from reference import worlds
from reference.general import numbers, relation
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.idcf import IDCF
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER

OPTIONS = worlds.options(num_neighbors=0)
KEYS = 3


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    made = IDCF(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        num_layers=2,
        num_heads=2,
        num_keys=KEYS,
        loss=BPR(),
    )
    made.prepare(stage[-1])
    return made


def largest(degree):
    """Return the nodes with the most edges, the first among equals."""
    return sorted(range(len(degree)), key=lambda node: (-degree[node], node))[:KEYS]


def p_of(model, domain, data, train):
    """Return p of users and of items; of new nodes no vector is known."""
    table = model.embedding[f"domain_{domain}"]
    edges = naive.edges_of(data, INTERACTED_BY)
    found = []
    for kind, other, place in ((USER, ITEM, 0), (ITEM, USER, 1)):
        vectors, mine = (numbers(table.get_parameter(each)) for each in (other, kind))
        keys = mine[largest(train[kind].degree.tolist())]
        others = [
            vectors[row] if row >= 0 else 0 * vectors[0]
            for row in data[other].train_row.tolist()
        ]
        rows = []
        for node in range(data[kind].num_nodes):
            near = [others[e[1 - place]] for e in edges if e[place] == node]
            mean = np.mean(near, axis=0) if near else 0 * vectors[0]
            rows.append(relation(model.relation[f"domain_{domain}"][kind], mean, keys))
        found.append(np.array(rows))
    return found


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        data = graphs[domain]
        p = p_of(model, domain, data, train.graphs[domain])
        user, item = naive.lightgcn(*p, naive.edges_of(data, INTERACTED_BY), 2)
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [5, 20])
def test_losses(stage, model, size):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=(), size=size)
    ranking = pretraining = contrastive = 0.0
    for domain, given in batch.triplets.items():
        data = train.graphs[domain]
        edges, rows = naive.edges_of(data, INTERACTED_BY), naive.rows(given)
        table = model.embedding[f"domain_{domain}"]
        e = numbers(table.user), numbers(table.item)
        p = p_of(model, domain, data, data)
        ranking += naive.bpr(*naive.lightgcn(*p, edges, 2), rows)
        pretraining += naive.bpr(*naive.lightgcn(*e, edges, 2), rows)
        for side, nodes in ((0, given.user.tolist()), (1, given.pos.tolist())):
            terms = []
            for node in nodes:
                near = [np.exp(p[side][node] @ e[side][each]) for each in nodes]
                own = np.exp(p[side][node] @ e[side][node])
                terms.append(-np.log(own / sum(near)))
            contrastive += np.mean(terms)
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["pretraining"].item(), pretraining, rtol=1e-5, atol=0)
    assert_close(found["agreement"].item(), contrastive, rtol=1e-5, atol=0)
    (found["ranking"] + found["agreement"]).backward()
    assert all(each.grad is None for each in model.embedding.parameters())
