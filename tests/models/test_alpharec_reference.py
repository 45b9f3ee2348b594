"""AlphaRec against its equations."""

import numpy as np
import pytest
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.alpharec import AlphaRec
from micrec_pyg.nn.ranking import SampledSoftmax
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return alpharec(stage[-1])


def alpharec(train, num_layers=2):
    return AlphaRec(
        sizes=domain_sizes(train),
        streams=RandomStreams(1),
        dim=4,
        hidden=[5],
        num_layers=num_layers,
        modalities=["text", "sound"],
        loss=SampledSoftmax(
            temperature=0.3, cosine=True, num_negatives=6, in_batch=False, log_q=False
        ),
    )


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        net = model.mlp[f"domain_{domain}"]
        user, item = reference.alpharec(net, graphs[domain], ["text"], 2)
        lengths = np.outer(np.linalg.norm(user, axis=1), np.linalg.norm(item, axis=1))
        expected = user @ item.T / np.where(lengths > 0, lengths, 1)
        assert_close(numbers(found), expected, rtol=1e-4, atol=1e-5)


def test_loss(stage, model):
    train = stage[-1]
    batch = Sampler(
        train, batch_size=9, parts={"pool"}, streams=RandomStreams(2), loss=model.loss
    ).draw()
    expected = 0.0
    for domain, pool in batch.pool.items():
        net = model.mlp[f"domain_{domain}"]
        user, item = reference.alpharec(net, train.graphs[domain], ["text"], 2)
        expected += naive.sampled_softmax(
            user[pool.user],
            item[pool.pos],
            item[pool.neg],
            pool.taken.numpy(),
            np.zeros(9),
            temperature=0.3,
            cosine=True,
        )
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["ranking"].item(), expected, rtol=1e-5, atol=0)


def test_an_item_without_text_moves_no_layer_wildly(stage):
    train = stage[-1]
    model = alpharec(train, num_layers=0)
    batch = Sampler(
        train, batch_size=40, parts={"pool"}, streams=RandomStreams(2), loss=model.loss
    ).draw()
    assert not all(
        bool(train.graphs[d][ITEM].text_mask[pool.pos].all())
        for d, pool in batch.pool.items()
    )
    model.losses(train.graphs, batch, RandomStreams(3))["ranking"].backward()
    for name, parameter in model.named_parameters():
        assert float(parameter.grad.abs().max()) < 100, name
