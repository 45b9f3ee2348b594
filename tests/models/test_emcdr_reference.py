"""EMCDR against its equations."""

import numpy as np
import pytest
from reference import crossdomain as reference
from reference import nn as naive
from reference import worlds
from reference.general import mlp, numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.emcdr import EMCDR
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import USER, Batch

OPTIONS = worlds.options(num_neighbors=0)
PAIRS = [{"books", "food"}, {"books", "music"}]


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(unseen={USER}, first_of_music=9)
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture(params=[0, 5])
def model(stage, request):
    made = EMCDR(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        hidden=request.param,
        loss=BPR(),
    )
    made.prepare(stage[-1])
    return made


def test_new_users_are_mapped(stage, model):
    domains, splits, train = stage
    shared = [{*pair} for pair, rows in train.overlap.items() if rows.shape[1] > 1]
    assert sorted(shared, key=sorted) == PAIRS
    graphs = test_stage(train, domains, splits, OPTIONS, answers={USER}).graphs
    for name, found in scores(model, graphs).items():
        users = range(graphs[name][USER].num_nodes)
        z = [reference.emcdr_user(model, name, u, graphs, PAIRS) for u in users]
        item = numbers(model.embedding[f"domain_{name}"].item)
        assert_close(numbers(found), np.array(z) @ item.T, rtol=1e-4, atol=1e-5)


def test_losses(stage, model):
    train = stage[-1]
    batch = worlds.batch(train, domain_sizes(train), parts=("overlap",))
    # a sampler leaves out pairs of one user
    shared = {p: rows for p, rows in batch.overlap.items() if {*p} in PAIRS}
    batch = Batch(triplets=batch.triplets, overlap=shared)
    ranking = mapping = 0.0
    tables = {
        name: [
            numbers(model.embedding[f"domain_{name}"].get_parameter(side))
            for side in ("user", "item")
        ]
        for name in train.graphs
    }
    for name, given in batch.triplets.items():
        ranking += naive.bpr(*tables[name], naive.rows(given))
    for pair, rows in batch.overlap.items():
        both = dict(zip(pair, rows.tolist(), strict=True))
        for source, target in (pair, pair[::-1]):
            net = model.mapping[f"domain_{target}"][f"domain_{source}"]
            errors = [
                mlp(net, tables[source][0][there]) - tables[target][0][here]
                for there, here in zip(both[source], both[target], strict=True)
            ]
            mapping += np.mean([error @ error for error in errors])
    found = model.losses(train.graphs, batch, RandomStreams(2))
    assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
    assert_close(found["mapping"].item(), mapping, rtol=1e-5, atol=0)
    found["mapping"].backward()
    assert all(each.grad is None for each in model.embedding.parameters())
