"""CLCRec against its equations."""

import numpy as np
import pytest
import torch
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.clcrec import CLCRec
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(unseen={ITEM})
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return CLCRec(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        hidden=[5],
        replaced=0.4,
        temperature=0.7,
        num_negatives=6,
    )


def encoded(model, domain, data):
    net = model.encoder[f"domain_{domain}"]
    f = reference.contents(data, model.modalities[domain])
    return np.array([reference.leaky_mlp(net, x) for x in f])


def test_new_items_are_scored_by_their_content(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS, answers={ITEM}).graphs
    for domain, found in scores(model, graphs).items():
        table = model.embedding[f"domain_{domain}"]
        f = encoded(model, domain, graphs[domain])
        rows = graphs[domain][ITEM].train_row.tolist()
        assert -1 in rows
        items = [numbers(table.item)[r] if r >= 0 else f[i] for i, r in enumerate(rows)]
        expected = numbers(table.user) @ np.array(items).T
        assert_close(numbers(found), expected, rtol=1e-4, atol=1e-5)


def test_losses(stage, model):
    train = stage[-1]
    batch = Sampler(
        train, batch_size=9, parts={"pool"}, streams=RandomStreams(2), loss=model.loss
    ).draw()
    ranking = alignment = 0.0
    for domain, pool in batch.pool.items():
        table = model.embedding[f"domain_{domain}"]
        user, item = numbers(table.user), numbers(table.item)
        f = encoded(model, domain, train.graphs[domain])
        places = torch.cat([pool.pos, pool.neg]).tolist()
        chance = torch.rand(
            len(places), 1, generator=RandomStreams(3)("replaced", domain)
        )
        by_content = (chance < 0.4).flatten().tolist()
        assert 0 < sum(by_content) < len(places)
        mixed = np.array(
            [
                f[i] if yes else item[i]
                for i, yes in zip(places, by_content, strict=True)
            ]
        )
        rest = (pool.taken.numpy(), np.zeros(9))
        ranking += naive.sampled_softmax(
            user[pool.user], mixed[:9], mixed[9:], *rest, temperature=0.7, cosine=False
        )
        has = reference.has_any(train.graphs[domain], model.modalities[domain])
        kept, compared = has[pool.pos], has[pool.neg]
        alignment += naive.sampled_softmax(
            item[pool.pos][kept],
            f[pool.pos][kept],
            f[pool.neg][compared],
            pool.taken.numpy()[kept][:, compared],
            np.zeros(kept.sum()),
            temperature=0.7,
            cosine=True,
        )
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["alignment"].item(), alignment, rtol=1e-5, atol=0)


def test_an_item_without_content_moves_no_layer_wildly(stage, model):
    train = stage[-1]
    batch = Sampler(
        train, batch_size=40, parts={"pool"}, streams=RandomStreams(2), loss=model.loss
    ).draw()
    assert not all(
        reference.has_any(train.graphs[d], model.modalities[d])[pool.pos].all()
        for d, pool in batch.pool.items()
    )
    model.losses(train.graphs, batch, RandomStreams(3))["alignment"].backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert float(parameter.grad.abs().max()) < 100, name
