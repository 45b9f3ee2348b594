"""The test set is sealed: nothing that trains or selects can read it."""

import importlib
import json
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.train import train_job
from micrec_pyg.evaluation.validate import validate
from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs import evaluate
from micrec_pyg.runs.evaluate import evaluate_job
from micrec_pyg.runs.inputs import load
from micrec_pyg.runs.job import make_model
from micrec_pyg.schema import EdgeSplit
from micrec_pyg.training.fit import fit

SPLITS = Path(__file__).parents[2] / "conf" / "split"
BROUGHT = {"files", "ready", "saved"}
"""Splits that come with files of their own; all others are computed."""
PROTOCOLS = sorted({path.stem for path in SPLITS.glob("*.yaml")} - BROUGHT)
COLD = [p for p in PROTOCOLS if "select:" in (SPLITS / f"{p}.yaml").read_text()]
"""Protocols in which selection can rank new nodes."""
PROTOCOLS += [f"{name} select=new" for name in COLD]
QUICK = ("random", "new_nodes", "new_nodes select=new", "global_time", "zero_edge")
"""The others are tried by ``make fuzz``."""


def _metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def _history(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _garbled(split: EdgeSplit) -> EdgeSplit:
    """Return a split with as many test edges, none of them the right one."""
    users, items = len(split.seen_user), len(split.seen_item)
    user, item = split.test
    return replace(split, test=torch.stack([users - 1 - user, (item + 7) % items]))


def _garble_tests(monkeypatch: pytest.MonkeyPatch, protocol: str) -> list[int]:
    """Make a protocol return wrong test edges; the list grows with every call."""
    text = (SPLITS / f"{protocol}.yaml").read_text()
    module, _, name = yaml.safe_load(text)["_target_"].rpartition(".")
    real: Callable[..., dict[str, EdgeSplit]] = getattr(
        importlib.import_module(module), name
    )
    calls = []

    def wrong(*args: Any, **options: Any) -> dict[str, EdgeSplit]:
        splits = {k: _garbled(v) for k, v in real(*args, **options).items()}
        calls.append(sum(split.test.shape[1] for split in splits.values()))
        return splits

    monkeypatch.setattr(f"{module}.{name}", wrong)
    return calls


@pytest.mark.parametrize(
    "protocol",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.fuzz)
        for name in PROTOCOLS
    ],
)
def test_training_gives_the_same_bits_whatever_the_test_edges_are(
    small, tmp_path, monkeypatch, protocol
) -> None:
    protocol, _, rule = protocol.partition(" ")
    options = [*small, f"split={protocol}", *([f"split.{rule}"] if rule else [])]
    real = train_job(options)
    users = pl.read_parquet(real / "per_user.parquet")
    evaluate_job(real)
    calls = _garble_tests(monkeypatch, protocol)
    wrong = train_job([*options, f"output_dir={tmp_path}/wrong"])
    assert calls
    assert all(calls)
    assert real != wrong
    model = "artefact/model.safetensors"
    assert (real / model).read_bytes() == (wrong / model).read_bytes()
    assert users.equals(pl.read_parquet(wrong / "per_user.parquet"))
    assert [_metrics(real)[k] for k in ("val", "best_epoch", "epochs")] == [
        _metrics(wrong)[k] for k in ("val", "best_epoch", "epochs")
    ]
    rows = [[{**r, "seconds": 0} for r in _history(run)] for run in (real, wrong)]
    assert rows[0] == rows[1]
    # and what was replaced does matter where it is read
    assert evaluate_job(wrong)["test"] != _metrics(real)["test"]


def test_training_never_asks_for_the_test(small, monkeypatch) -> None:
    def broken_seal(*_: object, **__: object) -> None:
        raise AssertionError("somebody reads the test set")

    monkeypatch.setattr(evaluate, "test_stage", broken_seal)
    folder = train_job(small)
    assert "test" not in _metrics(folder)
    with pytest.raises(AssertionError, match="reads the test set"):
        evaluate_job(folder)
    # a test that began may have been seen
    assert _metrics(folder)["test_evaluations"] == 1


def test_fit_refuses_a_test_stage(small) -> None:
    run = experiment(small)
    inputs = load(run)
    stage = make_test_stage(inputs.train, inputs.domains, inputs.splits, inputs.options)
    with pytest.raises(TypeError, match="ValidStage"):
        fit(
            make_model(run, inputs),
            inputs.train,
            stage,
            options=run.fit,
            weights=run.weights,
            streams=RandomStreams(0),
            validate=validate,
            folder=None,
            on_epoch=lambda row: None,
        )


CUT_OFF = "give a metric and its cut-off, such as ndcg@20"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("fit.metric=test/ndcg@20", CUT_OFF),
        ("fit.metric=test.ndcg@20", CUT_OFF),
        ("fit.metric=test/d0/all/ndcg@20", CUT_OFF),
        ("fit.metric=test@20", CUT_OFF),
        ("fit.metric=test", CUT_OFF),
        ("fit.part=test", "unknown key"),
        ("rank.part=test", "unknown key"),
        ("test=true", "unknown key"),
        ("+fit.part=test", "fit.part is no setting of"),
    ],
)
def test_no_setting_selects_by_the_test(
    micrec, small, runs, capsys, override, said
) -> None:
    assert micrec("train", *small, override) == 2
    assert said in capsys.readouterr().err
    assert runs() == []


def test_a_sweeper_gets_the_value_of_validation(
    micrec, small, runs, monkeypatch
) -> None:
    from hydra.experimental.callback import Callback

    returned: list[object] = []

    class Spy(Callback):
        def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
            returned.append(job_return.return_value)

    module = types.ModuleType("spy_of_a_sweep")
    module.Spy = Spy
    monkeypatch.setitem(sys.modules, module.__name__, module)
    callback = f"+hydra.callbacks.spy._target_={module.__name__}.Spy"
    assert micrec("train", "-m", *small, "fit.max_epochs=1", "K=0,3", callback) == 0
    best = []
    for folder in runs():
        metrics = json.loads((folder / "metrics.json").read_text())
        assert "test" not in metrics
        values = [groups["all"]["ndcg@20"] for groups in metrics["val"].values()]
        best.append(sum(values) / len(values))
    assert sorted(returned) == pytest.approx(sorted(best))


def test_what_training_tells_holds_no_test(small) -> None:
    told: list[dict[str, Any]] = []
    folder = train_job(small, on_epoch=told.append)
    for row in [*told, *_history(folder)]:
        assert row.keys() == {"epoch", "loss", "val", "seconds"}
    assert set(pl.read_parquet(folder / "per_user.parquet")["part"]) == {"val"}
    assert "## Test" not in (folder / "run_card.md").read_text()


def test_every_evaluation_counts_and_training_again_forgets_none(
    micrec, small, ready
) -> None:
    folder = ready

    def counted() -> tuple[int, bool]:
        number = _metrics(folder)["test_evaluations"]
        card = (folder / "run_card.md").read_text()
        return number, f"- test evaluations: {number}\n" in card

    assert counted() == (0, True)
    for argv, number in (
        (("evaluate", folder), 1),
        (("evaluate", folder), 1),
        (("evaluate", folder, "--again"), 2),
        (("train", *small), 2),
        (("evaluate", folder, "--again"), 3),
    ):
        assert micrec(*argv) == 0
        assert counted() == (number, True)


def test_reading_results_does_not_open_the_test(micrec, small, capsys) -> None:
    runs = [train_job([*small, f"model={name}"]) for name in ("popularity", "bpr_mf")]
    assert micrec("compare", *runs) == 2
    assert "micrec evaluate" in capsys.readouterr().err
    assert micrec("report", runs[0].parents[1]) == 2
    assert "micrec evaluate RUN" in capsys.readouterr().err
    assert micrec("compare", *runs, "--part", "val") == 0
    for run in runs:
        assert _metrics(run)["test_evaluations"] == 0
        assert "test" not in _metrics(run)
