"""A checkpoint that is damaged or of another run is dropped, with the same end."""

import json
from functools import partial

import pytest
import torch
from reference import worlds
from reference.damage import MANY, damages, place
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from micrec_pyg.evaluation.validate import validate
from micrec_pyg.graph.build import domain_sizes, train_stage, valid_stage
from micrec_pyg.models.inmo import INMO
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.training.fit import fit
from micrec_pyg.training.optimizer import adam, schedule
from micrec_pyg.training.options import FitOptions
from micrec_pyg.training.state import CHECKPOINT, HISTORY

EPOCHS = 3


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def stages():
    domains, splits = worlds.worlds()
    options = worlds.options()
    train = train_stage(domains, splits, options)
    return train, valid_stage(train, domains, splits, options)


def train(stages, folder, *, killed_after=None, dim=4, seed=0):
    def kill(row):
        seen.append(row["epoch"])
        if row["epoch"] == killed_after:
            raise KilledError

    seen = []
    model = INMO(
        sizes=domain_sizes(stages[0]),
        streams=RandomStreams(seed),
        dim=dim,
        std=0.1,
        loss=BPR(),
        num_layers=1,
        dropout=0.3,
        alpha_decay=0.9,
    )
    options = FitOptions(
        max_epochs=EPOCHS,
        patience=9,
        batch_size=64,
        lr=0.01,
        optimizer=partial(adam, weight_decay=0.0, rates={}),
        schedule=partial(schedule, warm_up=0, decay=None),
        metric="ndcg@3",
        eval_every=1,
        checkpoint_every_s=0.0,
        cuda_graph=False,
    )
    try:
        fit(
            model,
            *stages,
            options=options,
            weights={"ranking": 1.0},
            streams=RandomStreams(seed),
            validate=lambda m, v: validate(m, v, k=3, batch_size=64),
            folder=folder,
            on_epoch=kill,
        )
    except KilledError:
        pass
    return model.state_dict(), seen


@pytest.fixture
def killed(stages, tmp_path):
    """Return the folder of a run that was killed in its last epoch."""
    train(stages, tmp_path / "mine", killed_after=EPOCHS - 1)
    return tmp_path / "mine"


@pytest.mark.parametrize("places", [2, pytest.param(MANY, marks=pytest.mark.fuzz)])
def test_a_damaged_checkpoint_changes_no_bit(
    stages, killed, tmp_path, caplog, places, tried
):
    expected, _ = train(stages, tmp_path / "whole")
    train(stages, tmp_path / "other", killed_after=1, seed=7)
    path = killed / CHECKPOINT
    good, other = path.read_bytes(), (tmp_path / "other" / CHECKPOINT).read_bytes()
    cases = damages(good, other, places=places)
    tried("damaged checkpoints", len(cases))
    for case, content in cases.items():
        place(path, content)
        caplog.clear()
        state, seen = train(stages, killed)
        assert seen == list(range(EPOCHS)), case
        assert f"{path} is dropped and made anew" in caplog.text, case
        for name, value in expected.items():
            assert torch.equal(state[name], value), (case, name)
    place(path, good)
    assert train(stages, killed)[1] == [EPOCHS - 1]


def test_files_that_are_no_checkpoint_of_this_model_are_dropped(stages, killed, caplog):
    path = killed / CHECKPOINT
    train(stages, killed.parent / "wide" / "mine", killed_after=1, dim=8)
    with safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["checked"])["meta"]
    old = {k: v for k, v in meta.items() if k != "run"}
    tensors = load_file(path)
    no_best = {k: v for k, v in tensors.items() if not k.startswith("best/")}
    cases = {
        "belongs to another model": (
            load_file(killed.parent / "wide" / "mine" / CHECKPOINT),
            old,
        ),
        "belongs to another model ": (no_best, old),
        "is no checkpoint": (tensors, {"model": "inmo", "best_epoch": 0}),
    }
    for told, (content, plain) in cases.items():
        save_file(content, path, metadata={"meta": json.dumps(plain)})
        caplog.clear()
        assert train(stages, killed)[1] == list(range(EPOCHS))
        assert f"{path} {told.strip()}" in caplog.text
    # one of an earlier version, which knew neither digest nor name
    save_file(tensors, path, metadata={"meta": json.dumps(old)})
    assert train(stages, killed)[1] == [EPOCHS - 1]


def test_the_history_is_complete_when_the_run_is(stages, tmp_path):
    train(stages, tmp_path)
    whole = (tmp_path / HISTORY).read_text()
    # a kill after the last checkpoint, before the history beside it
    (tmp_path / HISTORY).write_text(whole.splitlines()[0])
    assert train(stages, tmp_path)[1] == []
    assert (tmp_path / HISTORY).read_text() == whole
    assert len(whole.splitlines()) == EPOCHS
