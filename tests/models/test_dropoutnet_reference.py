"""DropoutNet against its equations."""

import numpy as np
import pytest
import torch
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import mlp, numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.dropoutnet import DropoutNet
from micrec_pyg.nn.ranking import BPR, SampledSoftmax
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER, Batch
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


COSINE = SampledSoftmax(
    temperature=0.3, cosine=True, num_negatives=5, in_batch=False, log_q=False
)


@pytest.fixture(params=[BPR(), COSINE], ids=["bpr", "cosine"])
def model(stage, request):
    return DropoutNet(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=3,
        std=0.5,
        hidden=[5],
        dropout=0.6,
        num_negatives=2,
        loss=request.param,
    )


def direct(model, e):
    """Return e as it is scored: of length 1 where the loss reads cosines."""
    return e / np.sqrt(e @ e) if model.loss.cosine else e


def vectors(model, domain, data):
    """Return by kind: vectors of old nodes, means of the others, and contents."""
    table, edges = (
        model.embedding[f"domain_{domain}"],
        naive.edges_of(data, INTERACTED_BY),
    )
    own = {
        kind: [
            direct(model, side[row]) if row >= 0 else None
            for row in data[kind].train_row.tolist()
        ]
        for kind, side in ((USER, numbers(table.user)), (ITEM, numbers(table.item)))
    }
    zero = np.zeros(3)
    means = {}
    for kind, other, place in ((USER, ITEM, 0), (ITEM, USER, 1)):
        means[kind] = []
        for node in range(data[kind].num_nodes):
            near = [own[other][e[1 - place]] for e in edges if e[place] == node]
            near = [zero if each is None else each for each in near]
            means[kind].append(np.mean(near, axis=0) if near else zero)
    names = model.modalities[domain]
    contents = {
        ITEM: reference.contents(data, names),
        USER: reference.mean_contents(data, names),
    }
    return own, means, contents


def output(model, domain, kind, vector, about):
    tower = model.tower[f"domain_{domain}"][kind]
    return mlp(tower, np.concatenate([vector, about]))


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        own, means, contents = vectors(model, domain, graphs[domain])
        user, item = (
            np.array(
                [
                    output(model, domain, kind, m if o is None else o, c)
                    for o, m, c in zip(
                        own[kind], means[kind], contents[kind], strict=True
                    )
                ]
            )
            for kind in (USER, ITEM)
        )
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


def ranked(model, domain, own, batch):
    """Return the ranking loss of a domain."""
    if not model.loss.cosine:
        return naive.bpr(own[USER], own[ITEM], naive.rows(batch.triplets[domain]))
    pool = batch.pool[domain]
    user, pos, neg = (
        np.array([own[kind][row] for row in rows.tolist()])
        for kind, rows in ((USER, pool.user), (ITEM, pool.pos), (ITEM, pool.neg))
    )
    rest = pool.taken.numpy(), np.zeros(len(user))
    return naive.sampled_softmax(user, pos, neg, *rest, temperature=0.3, cosine=True)


# with few rows a tower reads each; with many, every node in each of its states
@pytest.mark.parametrize("size", [9, 30])
def test_losses(stage, model, size):
    train = stage[-1]
    batch = Sampler(
        train,
        batch_size=size,
        parts={model.loss.part, "negatives"},
        streams=RandomStreams(2),
        num_negatives=2,
        loss=model.loss,
    ).draw()
    ranking = distance = 0.0
    states = set()
    for domain, given in batch.negatives.items():
        own, means, contents = vectors(model, domain, train.graphs[domain])
        ranking += ranked(model, domain, own, batch)
        items = torch.cat([given.pos.view(-1, 1), given.neg], dim=1)
        told = {}
        for kind, nodes in ((USER, given.user), (ITEM, items.flatten())):
            stream = RandomStreams(3)("dropout", domain, kind)
            chance = torch.rand(len(nodes), 1, generator=stream).flatten().tolist()
            told[kind] = []
            for node, draw in zip(nodes.tolist(), chance, strict=True):
                state = (draw >= 0.3) + (draw >= 0.6)
                states.add(state)
                vector = (np.zeros(3), means[kind][node], own[kind][node])[state]
                told[kind].append(
                    output(model, domain, kind, vector, contents[kind][node])
                )
        errors = []
        for place, row in enumerate(items.tolist()):
            for nth, node in enumerate(row):
                wanted = own[USER][given.user[place]] @ own[ITEM][node]
                found = told[USER][place] @ told[ITEM][3 * place + nth]
                errors.append((wanted - found) ** 2)
        distance += np.mean(errors)
    assert states == {0, 1, 2}
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["distance"].item(), distance, rtol=1e-5, atol=0)
    alone = Batch(negatives=batch.negatives)
    model.losses(train.graphs, alone, RandomStreams(3))["distance"].backward()
    assert all(each.grad is None for each in model.embedding.parameters())
