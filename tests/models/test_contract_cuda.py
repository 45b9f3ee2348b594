"""What every model owes on a GPU: the scores of a CPU, and a step that is recorded."""

import pytest
import torch
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import parts_of
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.step import Step

pytestmark = pytest.mark.gpu
DEVICE = "cuda"
STEPS = 5


def prepared(make, train):
    model = make(train, prepare=False).to(DEVICE)
    model.prepare(train)
    return model


def test_another_device_scores_the_same(make, stage):
    train = stage[-1]
    expected = scores(make(train), train.graphs)
    moved = to_device(train, DEVICE)
    found = scores(prepared(make, moved), moved.graphs)
    for domain, values in expected.items():
        assert found[domain].device.type == DEVICE
        assert_close(found[domain].cpu(), values, rtol=1e-3, atol=1e-4)


def test_a_recorded_step_is_an_eager_step(make, config, stage):
    train = to_device(stage[-1], DEVICE)
    if not list(prepared(make, train).parameters()):
        pytest.skip("has no step")
    weights = {name: weight or 1.0 for name, weight in config["weights"].items()}
    found = []
    for recorded in (False, True):
        streams, model = RandomStreams(0, DEVICE), prepared(make, train)
        sampler = Sampler(
            train,
            batch_size=20,
            parts=set(parts_of(model).values()),
            streams=streams,
            num_negatives=model.num_negatives,
            loss=model.loss,
        )
        adam = torch.optim.Adam(model.parameters(), fused=True, capturable=True)
        step = Step(model, train, sampler, weights, adam, streams)
        if recorded:
            step.record()
        for _ in range(STEPS):
            step()
        found.append({name: float(total) for name, total in step.sums.items()})
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    assert all(total != 0 for total in found[0].values())
