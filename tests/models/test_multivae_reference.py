"""Mult-VAE against its equations, user by user."""

import numpy as np
import pytest
import torch
from reference import general as reference
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.multivae import MultiVAE
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, USER
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(unseen={USER})
    return domains, splits, train_stage(domains, splits, OPTIONS)


def make(train, dropout=0.0):
    return MultiVAE(
        sizes=domain_sizes(train),
        streams=RandomStreams(1),
        dim=3,
        hidden=[6, 5],
        dropout=dropout,
        anneal_epochs=4,
    )


def test_scores_also_of_new_users(stage):
    domains, splits, train = stage
    model = make(train, dropout=0.5)
    graphs = test_stage(train, domains, splits, OPTIONS, answers={USER}).graphs
    for domain, found in scores(model, graphs).items():
        encoder = model.encoder[f"domain_{domain}"]
        decoder = model.decoder[f"domain_{domain}"]
        rows = (graphs[domain][INTERACTED_BY].adj_t.to_dense() > 0).double().numpy()
        assert len(rows) > train.graphs[domain][USER].num_nodes
        expected = [
            reference.mlp(decoder, reference.multivae_code(encoder, row)[0])
            for row in rows
            if row.any()
        ]
        found = numbers(found)[rows.any(1)]
        assert_close(found, np.array(expected), rtol=1e-4, atol=1e-5)


def test_losses(stage):
    train = stage[-1]
    model = make(train)
    streams = RandomStreams(2)
    batch = Sampler(train, batch_size=5, parts={"users"}, streams=streams).draw()
    likelihood = divergence = 0.0
    for domain, given in batch.users.items():
        encoder = model.encoder[f"domain_{domain}"]
        decoder = model.decoder[f"domain_{domain}"]
        noise = torch.empty(len(given.user), 3).normal_(
            generator=RandomStreams(3)("noise", domain)
        )
        mine = []
        for row, e in zip(numbers(given.interactions), numbers(noise), strict=True):
            mean, log_variance = reference.multivae_code(encoder, row)
            code = mean + e * np.exp(log_variance / 2)
            mine.append(
                (
                    reference.multinomial(reference.mlp(decoder, code), row),
                    reference.divergence(mean, log_variance),
                )
            )
        likelihood += np.mean([one for one, _ in mine])
        divergence += np.mean([one for _, one in mine])
    for epoch, share in ((0, 0.0), (1, 0.25), (4, 1.0), (9, 1.0)):
        model.begin_epoch(epoch)
        found = model.losses(train.graphs, batch, RandomStreams(3))
        assert_close(found["likelihood"].item(), likelihood, rtol=1e-5, atol=0)
        assert_close(
            found["divergence"].item(), share * divergence, rtol=1e-5, atol=1e-12
        )


def test_dropout_hides_items_in_training_alone(stage):
    train = stage[-1]
    found = []
    for share in (0.0, 0.9):
        model = make(train, share)
        batch = Sampler(
            train, batch_size=5, parts={"users"}, streams=RandomStreams(2)
        ).draw()
        losses = model.losses(train.graphs, batch, RandomStreams(3))
        found.append((scores(model, train.graphs)["food"], losses["likelihood"]))
    (scored, loss), (again, dropped) = found
    assert torch.equal(scored, again)
    assert loss != dropped
