"""SMORE against its equations."""

import numpy as np
import pytest
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.smore import SMORE
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER

OPTIONS = worlds.options(num_neighbors=3)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return SMORE(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        unseen="zero",
        num_layers=2,
        num_item_layers=1,
        dropout=0.0,
        temperature=0.3,
        loss=BPR(),
    )


def parts(model, domain, data):
    """Return c and s of users and items; new nodes start at zero."""
    table = model.embedding[f"domain_{domain}"]
    start = [
        np.array([side[r] if r >= 0 else 0 * side[0] for r in rows.tolist()])
        for side, rows in (
            (numbers(table.user), data[USER].train_row),
            (numbers(table.item), data[ITEM].train_row),
        )
    ]
    return reference.smore(model, domain, data, start, 2)


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        c, s = parts(model, domain, graphs[domain])
        user, item = c[0] + s[0], c[1] + s[1]
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


def agreement(first, second):
    """Return the softmax loss of rows and their partners (temperature 0.3)."""
    terms = []
    for place, row in enumerate(first):
        near = [
            np.exp(row @ other / np.sqrt(row @ row * (other @ other)) / 0.3)
            for other in second
        ]
        terms.append(-np.log(near[place] / sum(near)))
    return np.mean(terms)


@pytest.mark.parametrize("size", [5, 20])
def test_losses(stage, model, size):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=(), size=size)
    ranking = contrastive = l2 = 0.0
    for domain, given in batch.triplets.items():
        c, s = parts(model, domain, train.graphs[domain])
        rows, z = naive.rows(given), (c[0] + s[0], c[1] + s[1])
        ranking += naive.bpr(*z, rows)
        l2 += naive.l2(*z, rows)
        for side, nodes in ((0, given.user), (1, given.pos)):
            contrastive += agreement(s[side][nodes], c[side][nodes])
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["agreement"].item(), contrastive, rtol=1e-5, atol=0)
    assert_close(found["l2"].item(), l2, rtol=1e-5, atol=0)
