"""BM3 against its equations."""

import numpy as np
import pytest
import torch
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import linear, numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.bm3 import BM3
from micrec_pyg.nn.mlp import dropout
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return BM3(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=8,  # seldom is a whole row dropped
        std=0.5,
        unseen="zero",
        num_layers=2,
        dropout=0.4,
    )


def z_of(model, domain, data):
    """Return z of users and items; new nodes start at zero."""
    table = model.embedding[f"domain_{domain}"]
    start = [
        np.array([side[r] if r >= 0 else 0 * side[0] for r in rows.tolist()])
        for side, rows in (
            (numbers(table.user), data[USER].train_row),
            (numbers(table.item), data[ITEM].train_row),
        )
    ]
    return reference.bm3(*start, naive.edges_of(data, INTERACTED_BY), 2)


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        net = model.predictor[f"domain_{domain}"]
        user, item = (
            np.array([linear(net, x) for x in side])
            for side in z_of(model, domain, graphs[domain])
        )
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


def noisy(rows, generator):
    """Return rows after the dropout that the model draws next."""
    return numbers(dropout(torch.tensor(rows, dtype=torch.float32), 0.4, generator))


def test_losses(stage, model):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=())
    bootstrap = of_content = l2 = 0.0
    streams = RandomStreams(3)
    for domain, given in batch.triplets.items():
        data, net = train.graphs[domain], model.predictor[f"domain_{domain}"]
        z = z_of(model, domain, data)
        user, item = z[0][given.user], z[1][given.pos]
        stream = streams("dropout", domain)
        targets = noisy(user, stream), noisy(item, stream)
        everyone = [True] * len(user)
        pairs = [
            (user, targets[1], "bootstrap", everyone),
            (item, targets[0], "bootstrap", everyone),
        ]
        for name in ("image", "text"):
            layer = model.projection[f"domain_{domain}"][f"domain_{name}"]
            x = np.array([linear(layer, f) for f in reference.contents(data, [name])])
            x = x[given.pos]
            has = data[ITEM][f"{name}_mask"][given.pos].tolist()
            assert 0 < sum(has) <= len(has)
            pairs += [
                (x, targets[1], "content", has),
                (x, noisy(x, stream), "content", has),
            ]
        for online, target, term, counted in pairs:
            value = np.mean(
                [
                    reference.far(net, a, b)
                    for a, b, yes in zip(online, target, counted, strict=True)
                    if yes
                ]
            )
            if term == "bootstrap":
                bootstrap += value
            else:
                of_content += value
        l2 += ((user**2).sum() + (item**2).sum()) / (2 * len(user))
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["bootstrap"].item(), bootstrap, rtol=1e-5, atol=0)
    assert_close(found["content"].item(), of_content, rtol=1e-5, atol=0)
    assert_close(found["l2"].item(), l2, rtol=1e-5, atol=0)


def test_an_item_without_content_moves_no_layer_wildly(stage, model):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=())
    missing = [
        ~train.graphs[d][ITEM].image_mask[t.pos] for d, t in batch.triplets.items()
    ]
    assert any(bool(each.any()) for each in missing)
    losses = model.losses(train.graphs, batch, RandomStreams(3))
    losses["content"].backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert float(parameter.grad.abs().max()) < 100, name
