"""NeuMF against its equations, pair by pair."""

import pytest
from reference import general as reference
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, train_stage
from micrec_pyg.models import neumf
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.training.sampler import Sampler


@pytest.fixture
def train():
    return train_stage(*worlds.worlds(), worlds.options(num_neighbors=0))


@pytest.fixture
def model(train):
    return neumf.NeuMF(
        sizes=domain_sizes(train),
        streams=RandomStreams(1),
        dim=4,
        std=0.7,
        unseen="error",
        hidden=[6, 5],
        num_negatives=3,
    )


@pytest.mark.parametrize("at_once", [1, 2**24])
def test_scores(train, model, at_once, monkeypatch):
    monkeypatch.setattr(neumf, "AT_ONCE", at_once)
    for domain, found in scores(model, train.graphs).items():
        match = model.match[f"domain_{domain}"]
        z = model(train.graphs)[domain]
        expected = [
            [reference.neumf(match, u, i) for i in numbers(z.item)]
            for u in numbers(z.user)
        ]
        assert_close(
            numbers(found).tolist(), expected, rtol=1e-5, atol=1e-6, msg=domain
        )


def test_loss(train, model):
    sampler = Sampler(
        train,
        batch_size=7,
        parts={"negatives"},
        streams=RandomStreams(2),
        num_negatives=3,
    )
    batch = sampler.draw()
    expected = 0.0
    for domain, given in batch.negatives.items():
        logits = scores(model, train.graphs)[domain]
        pos = logits[given.user, given.pos]
        neg = logits[given.user.unsqueeze(1), given.neg]
        expected += reference.cross_entropy(numbers(pos), numbers(neg).flatten())
    found = model.losses(train.graphs, batch, RandomStreams(3))
    assert_close(found["cross_entropy"].item(), expected, rtol=1e-5, atol=0)
