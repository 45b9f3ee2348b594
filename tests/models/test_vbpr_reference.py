"""VBPR against its equations, pair by pair."""

import numpy as np
import pytest
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.vbpr import VBPR
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, Batch

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(unseen={ITEM})
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return VBPR(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=3,
        std=0.6,
        loss=BPR(),
    )


def tables(model, domain):
    """Return [gamma, theta] of users and [gamma, beta] of items."""
    gamma, taste = (part[f"domain_{domain}"] for part in (model.gamma, model.taste))
    return (
        np.concatenate([numbers(gamma.user), numbers(taste.theta)], axis=1),
        np.concatenate([numbers(gamma.item), numbers(taste.beta)[:, None]], axis=1),
    )


def expected(model, domain, data):
    """Return the score of every pair; new items have no learnt vector."""
    users, items = tables(model, domain)
    layer = model.taste[f"domain_{domain}"].projection
    content = reference.contents(data, model.modalities[domain])
    rows = data[ITEM].train_row.tolist()
    own = [items[row] if row >= 0 else np.zeros(items.shape[1]) for row in rows]
    return np.array(
        [
            [reference.vbpr(u, i, layer, f) for i, f in zip(own, content, strict=True)]
            for u in users
        ]
    )


def projected(model, domain, data):
    """Return [E f_i, beta' f_i] of every item."""
    layer = model.taste[f"domain_{domain}"].projection
    content = reference.contents(data, model.modalities[domain])
    return [reference.linear(layer, f) for f in content]


def test_scores_also_of_new_items(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS, answers={ITEM}).graphs
    for domain, found in scores(model, graphs).items():
        data = graphs[domain]
        assert data[ITEM].num_nodes > train.graphs[domain][ITEM].num_nodes
        assert_close(
            numbers(found), expected(model, domain, data), rtol=1e-5, atol=1e-6
        )


def test_losses(stage, model):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=())
    ranking = l2 = content_l2 = 0.0
    for domain, given in batch.triplets.items():
        x = expected(model, domain, train.graphs[domain])
        rows = naive.rows(given)
        ranking += np.mean([np.log(1 + np.exp(x[u, j] - x[u, i])) for u, i, j in rows])
        l2 += naive.l2(*tables(model, domain), rows)
        told = projected(model, domain, train.graphs[domain])
        content_l2 += (
            np.mean([told[i] @ told[i] + told[j] @ told[j] for _, i, j in rows]) / 2
        )
    found = model.losses(train.graphs, Batch(batch.triplets), RandomStreams(2))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["l2"].item(), l2, rtol=1e-5, atol=0)
    assert_close(found["content_l2"].item(), content_l2, rtol=1e-5, atol=0)
