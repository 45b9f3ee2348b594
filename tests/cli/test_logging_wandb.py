import logging
from pathlib import Path
from typing import Any

import pytest
from reference.experiments import experiment

from micrec_pyg.cli.logging_wandb import Tracker

OPTIONS = {
    "name": "wandb",
    "mode": "offline",
    "project": "p",
    "entity": None,
    "group": None,
    "job_type": "train",
}
CONFIG: dict[str, Any] = {"K": 3, "logger": OPTIONS}


def started(config: dict[str, Any], folder: Path, sweep: str | None) -> Tracker:
    tracker = Tracker(config["logger"], sweep)
    tracker.start(experiment(settings=config), folder)
    return tracker


class Recorder:
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.summary: dict[str, Any] = {}

    def log(self, row: dict[str, Any], step: int) -> None:
        self.calls.append((step, row))

    def finish(self, exit_code: int) -> None:
        self.calls.append(("finish", exit_code))


def test_epochs_and_results_are_logged_by_path(tmp_path, monkeypatch) -> None:
    import wandb

    recorder, asked = Recorder(), {}
    monkeypatch.setattr(wandb, "init", lambda **o: asked.update(o) or recorder)
    tracker = started(CONFIG, tmp_path / "run", "sweep-1")
    tracker.epoch({"epoch": 2, "loss": {"bpr": 0.5}, "val": {"A": {"ndcg@20": 0.1}}})
    tracker.finish({"val": {"A": {"all": {"users": 7}}}})
    tracker.finish(None)
    row = {"epoch": 2, "loss/bpr": 0.5, "val/A/ndcg@20": 0.1}
    assert recorder.calls == [(2, row), ("finish", 0)]
    assert recorder.summary == {"val/A/all/users": 7}
    assert asked["group"] == "sweep-1"
    assert asked["config"] == CONFIG
    assert asked["dir"] == str(tmp_path / "run")


def test_a_run_without_metrics_ends_as_failed(tmp_path, monkeypatch) -> None:
    import wandb

    recorder = Recorder()
    monkeypatch.setattr(wandb, "init", lambda **options: recorder)
    started(CONFIG, tmp_path, None).finish(None)
    assert recorder.calls == [("finish", 1)]
    assert recorder.summary == {}


@pytest.mark.parametrize("kind", ["CommError", "UsageError", "OSError", "TimeoutError"])
def test_failures_are_warnings(tmp_path, monkeypatch, caplog, kind: str) -> None:
    import builtins

    import wandb
    import wandb.errors

    error = getattr(wandb.errors, kind, None) or getattr(builtins, kind)
    recorder = Recorder()

    def fail(row: dict[str, Any], step: int) -> None:
        raise error("no network")

    recorder.log = fail  # type: ignore[method-assign]
    monkeypatch.setattr(wandb, "init", lambda **options: recorder)
    tracker = started(CONFIG, tmp_path, None)
    with caplog.at_level(logging.WARNING):
        tracker.epoch({"epoch": 1})
    assert "goes on without it: no network" in caplog.text
    tracker.epoch({"epoch": 2})
    tracker.finish(None)


def test_none_touches_nothing(tmp_path: Path) -> None:
    tracker = started({"logger": {"name": "none"}}, tmp_path / "run", None)
    tracker.epoch({"epoch": 1})
    tracker.finish(None)
    assert not (tmp_path / "run").exists()


def test_offline_leaves_a_run_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracker = started(CONFIG, tmp_path, None)
    tracker.epoch({"epoch": 1, "loss": {"bpr": 0.5}})
    tracker.finish(None)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
