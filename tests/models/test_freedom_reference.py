"""FREEDOM against its equations."""

import numpy as np
import pytest
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import linear, numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.freedom import FREEDOM
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.nn.thinning import thinned
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER

OPTIONS = worlds.options(num_neighbors=3)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    made = FREEDOM(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        unseen="zero",
        num_layers=2,
        dropout=0.5,
        loss=BPR(),
    )
    made.prepare(stage[-1])
    return made


def start(model, domain, data):
    """Return the learnt vectors; those of new nodes are zero."""
    table = model.embedding[f"domain_{domain}"]
    return tuple(
        np.array([side[r] if r >= 0 else 0 * side[0] for r in rows.tolist()])
        for side, rows in (
            (numbers(table.user), data[USER].train_row),
            (numbers(table.item), data[ITEM].train_row),
        )
    )


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        data = graphs[domain]
        edges = naive.edges_of(data, INTERACTED_BY)
        user, item = reference.freedom(*start(model, domain, data), data, edges, 2)
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


def test_losses_on_few_edges(stage, model):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=())
    ranking = of_content = 0.0
    for domain, data in train.graphs.items():
        adj_t = data[INTERACTED_BY].adj_t
        values = thinned(adj_t, 0.5, RandomStreams(3)("edges", domain)).tolist()
        pairs = naive.edges_of(data, INTERACTED_BY)
        edges = [pair for pair, v in zip(pairs, values, strict=True) if v > 0]
        user, item = reference.freedom(*start(model, domain, data), data, edges, 2)
        rows = naive.rows(batch.triplets[domain])
        ranking += naive.bpr(user, item, rows)
        layers = model.projection[f"domain_{domain}"]
        for name in ("image", "text"):
            layer = layers[f"domain_{name}"]
            f = [linear(layer, x) for x in reference.contents(data, [name])]
            of_content += naive.bpr(user, np.array(f), rows)
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["content"].item(), of_content, rtol=1e-5, atol=0)
