"""Drawing training triplets: how many a second, and whether they are right.

Every batch of one epoch of Kitchen, as training draws them. Two samplers with one
seed must give the same bits, and no negative may be a training positive.
"""

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.data import food_and_kitchen
from benchmarks.harness import Options, Row, at_least, row
from micrec_pyg.cli.config import experiment
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.inputs import load
from micrec_pyg.schema import TrainStage, Triplets
from micrec_pyg.training.sampler import Sampler

BATCH_SIZE = 2048
LEAST = 3e6


def measure(options: Options) -> list[Row]:
    """Return one row; there is no peer."""
    with tempfile.TemporaryDirectory() as place:
        source = food_and_kitchen(Path(place), options)
        run = experiment([*source.only("kitchen"), "model=lightgcn"])
        stage = load(run).train
    check(stage)
    rates = []
    sampler = make(stage)
    epoch(sampler)  # warm up
    for _ in range(options.turns(15)):
        begin = time.perf_counter()
        drawn = epoch(sampler)
        seconds = time.perf_counter() - begin
        rates.append(sum(len(t.user) for t in drawn) / seconds)
    return [
        row(
            f"exact triplets, batches of {BATCH_SIZE:,}, Kitchen of {source.label}",
            "triplets/s",
            rates,
            None,
            "",
            target=at_least(LEAST, "triplets/s"),
            larger_is_better=True,
        )
    ]


def make(stage: TrainStage) -> Sampler:
    """Return a sampler of user-item triplets."""
    return Sampler(
        stage, batch_size=BATCH_SIZE, parts={"triplets"}, streams=RandomStreams(0)
    )


def epoch(sampler: Sampler) -> list[Triplets]:
    """Return all batches of an epoch."""
    return [batch.triplets["kitchen"] for batch in sampler.epoch()]


def check(stage: TrainStage) -> None:
    """Raise AssertionError if the triplets are wrong, or differ for one seed."""
    first, second = ([*epoch(make(stage))] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for field in ("user", "pos", "neg"):
            assert torch.equal(getattr(one, field), getattr(other, field))
    user, item = stage.labels["kitchen"].tolist()
    positives = set(zip(user, item, strict=True))
    for batch in first:
        users = batch.user.tolist()
        assert positives.issuperset(zip(users, batch.pos.tolist(), strict=True))
        assert positives.isdisjoint(zip(users, batch.neg.tolist(), strict=True))
