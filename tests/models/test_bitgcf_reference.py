"""BiTGCF against its equations."""

import numpy as np
import pytest
from reference import crossdomain as reference
from reference import general, worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.bitgcf import BiTGCF
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(first_of_music=6)
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return BiTGCF(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        unseen="zero",
        num_layers=2,
        own_share=0.7,
        dropout=0.0,
        num_negatives=2,
    )


def expected(model, graphs):
    """Return z by domain; new nodes start at zero."""
    start = {}
    for name, data in graphs.items():
        table = model.embedding[f"domain_{name}"]
        start[name] = tuple(
            np.array([side[r] if r >= 0 else 0 * side[0] for r in rows.tolist()])
            for side, rows in (
                (numbers(table.user), data[USER].train_row),
                (numbers(table.item), data[ITEM].train_row),
            )
        )
    return reference.bitgcf(start, graphs, 2, 0.7)


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    z = expected(model, graphs)
    for domain, found in scores(model, graphs).items():
        user, item = z[domain]
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


def test_losses(stage, model):
    train = stage[-1]
    batch = Sampler(
        train,
        batch_size=9,
        parts={"negatives"},
        streams=RandomStreams(2),
        num_negatives=2,
    ).draw()
    z = expected(model, train.graphs)
    entropy = l2 = 0.0
    for domain, given in batch.negatives.items():
        user, item = z[domain]
        pos = [user[u] @ item[i] for u, i in zip(given.user, given.pos, strict=True)]
        neg = [
            user[u] @ item[j]
            for u, row in zip(given.user, given.neg, strict=True)
            for j in row
        ]
        entropy += general.cross_entropy(pos, neg)
        table = model.embedding[f"domain_{domain}"]
        squares = [
            (numbers(side)[rows] ** 2).sum()
            for side, rows in (
                (table.user, given.user),
                (table.item, given.pos),
                (table.item, given.neg.flatten()),
            )
        ]
        l2 += sum(squares) / (2 * len(given.user))
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["cross_entropy"].item(), entropy, rtol=1e-5, atol=0)
    assert_close(found["l2"].item(), l2, rtol=1e-5, atol=0)
