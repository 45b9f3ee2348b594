import json
import logging
import multiprocessing
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from reference.experiments import experiment

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.sweep_jobs import SEED, TASK
from micrec_pyg.cli.tracking.push import push
from micrec_pyg.cli.tracking.sync import sync
from micrec_pyg.cli.tracking.tracker import Tracker
from micrec_pyg.cli.tracking.values import setting_of
from micrec_pyg.inference.examples import examples_of
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.read import read_run
from micrec_pyg.schema import InputError

Micrec = Callable[..., int]

OPTIONS = {
    "name": "wandb",
    "mode": "offline",
    "project": "p",
    "entity": None,
    "group": None,
    "job_type": "train",
}
CONFIG: dict[str, Any] = {
    "K": 3,
    "seed": 0,
    "dataset": "toy",
    "split_name": "random",
    "model": {"name": "inmo"},
    "fit": {"lr": 0.1},
    "logger": OPTIONS,
}


def started(config: dict[str, Any], folder: Path, sweep: str | None) -> Tracker:
    tracker = Tracker(config["logger"], sweep)
    tracker.start(experiment(settings=config), folder, {"A": "abc"})
    return tracker


class Recorder:
    """Stands for an open run of wandb."""

    id, step, offline = "one", 0, True

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.summary: dict[str, Any] = {}
        self.defined: dict[str, Any] = {}

    def define_metric(self, name: str, **options: Any) -> None:
        self.defined[name] = options

    def log(self, row: dict[str, Any], step: int) -> None:
        self.calls.append((step, row))

    def finish(self, exit_code: int) -> None:
        self.calls.append(("finish", exit_code))


@pytest.fixture
def asked(monkeypatch) -> tuple[Recorder, dict[str, Any]]:
    import wandb

    recorder, given = Recorder(), {}
    monkeypatch.setattr(wandb, "init", lambda **o: given.update(o) or recorder)
    return recorder, given


def test_epochs_and_results_are_logged_by_path(tmp_path, asked) -> None:
    recorder, given = asked
    config = {**CONFIG, "logger": {**OPTIONS, "artifacts": False}}
    tracker = started(config, tmp_path / "run", "sweep-1")
    val = {"A": {"ndcg@20": 0.1}, "B": {"ndcg@20": 0.3}}
    tracker.epoch({"epoch": 0, "loss": {"bpr": 0.5}, "val": val, "seconds": 2.0})
    tracker.finish({"val": {"A": {"all": {"users": 7, "ndcg@20": 0.25}}}})
    tracker.finish(None)
    row = {
        "epoch": 0,
        "loss/bpr": 0.5,
        "val/A/ndcg@20": 0.1,
        "val/B/ndcg@20": 0.3,
        "val/average/ndcg@20": pytest.approx(0.2),
        "seconds": 2.0,
        "lr": 0.1,
    }
    assert recorder.calls == [(0, row), ("finish", 0)]
    assert recorder.summary == {
        "val/A/all/users": 7,
        "val/A/all/ndcg@20": 0.25,
        "val/average/all/ndcg@20": 0.25,
    }
    assert given["group"] == "sweep-1"
    assert given["id"] == "run"
    assert given["tags"] == ["toy", "random", "inmo", "seed0"]
    assert given["config"]["K"] == 3
    assert given["config"]["fit/lr"] == 0.1
    assert not any(key.startswith("logger") for key in given["config"])
    assert given["dir"] == str(tmp_path / "run")
    assert recorder.defined["val/*"] == {"step_metric": "epoch", "summary": "max"}


def test_a_model_with_a_term_is_called_so(tmp_path, asked) -> None:
    _, given = asked
    config = {**CONFIG, "term": {"name": "ease_xc", "betas": [0.5]}}
    started(config, tmp_path / "run", None)
    assert given["name"] == "inmo+ease_xc run"
    assert given["tags"] == ["toy", "random", "inmo+ease_xc", "seed0"]
    # the view of a project takes its baseline by this
    assert given["config"]["model"] == "inmo+ease_xc"
    assert given["config"]["setting"].startswith("toy random inmo+ease_xc K=3 ")


def test_what_an_interrupted_call_logged_comes_first(tmp_path, asked) -> None:
    recorder, _ = asked
    rows = [{"epoch": epoch, "loss": {}, "val": None} for epoch in range(4)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "history.jsonl").write_text(text)
    tracker = started(CONFIG, tmp_path, None)
    tracker.epoch(rows[2])
    tracker.epoch(rows[3])
    assert [step for step, _ in recorder.calls] == [0, 1, 2, 3]
    recorder.calls.clear()
    recorder.step = 3  # as wandb says where it could ask
    tracker = started(CONFIG, tmp_path, None)
    tracker.epoch(rows[2])
    tracker.epoch(rows[3])
    assert [step for step, _ in recorder.calls] == [3]


def test_a_run_without_metrics_ends_as_failed(tmp_path, asked) -> None:
    recorder, _ = asked
    started(CONFIG, tmp_path, None).finish(None)
    assert recorder.calls == [("finish", 1)]
    assert recorder.summary == {}


def test_a_sweep_of_wandb_chooses_nothing_that_decides_the_task() -> None:
    sweep = yaml.safe_load((conf_dir() / "wandb" / "sweep.yaml").read_text())
    assert not {*sweep["parameters"]} & {*TASK, SEED}
    overrides = [each for each in sweep["command"] if "=" in each]
    first = [f"{key}={each['values'][0]}" for key, each in sweep["parameters"].items()]
    assert composed([*overrides, *first])["seed"] == 0


@pytest.mark.parametrize("kind", ["CommError", "UsageError", "OSError", "TimeoutError"])
def test_failures_are_warnings(tmp_path, asked, caplog, kind: str) -> None:
    import builtins

    import wandb.errors

    error = getattr(wandb.errors, kind, None) or getattr(builtins, kind)
    recorder, _ = asked

    def fail(row: dict[str, Any], step: int) -> None:
        raise error("no network")

    recorder.log = fail  # type: ignore[method-assign]
    tracker = started(CONFIG, tmp_path, None)
    with caplog.at_level(logging.WARNING):
        tracker.epoch({"epoch": 1})
    assert "goes on without it: no network" in caplog.text
    tracker.epoch({"epoch": 2})
    tracker.finish(None)
    assert recorder.calls == []


@pytest.mark.parametrize("options", [{"name": "none"}, {**OPTIONS, "mode": "disabled"}])
def test_off_touches_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    tracker = started({"logger": options}, tmp_path / "run", None)
    tracker.epoch({"epoch": 1})
    tracker.finish(None)
    assert not (tmp_path / "run").exists()


def test_a_run_of_no_epoch_is_pushed(micrec: Micrec, small, runs, asked) -> None:
    recorder, given = asked
    wandb = ["logger=wandb", "logger.artifacts=false"]
    assert micrec("train", *small, "model=bpr_mf", "fit.max_epochs=0", *wandb) == 0
    (folder,) = runs()
    run = read_run(folder)
    setting = setting_of(run.config, run.record["data"])
    assert given.pop("config")["setting"] == setting
    recorder.calls.clear()
    push(folder, {**OPTIONS, "artifacts": False})
    assert recorder.calls == [("finish", 0)]
    assert given["config"]["setting"] == setting
    assert "val/average/all/ndcg@20" in recorder.summary


def records(folder: Path) -> list[list[dict[str, Any]]]:
    """Return the records of every offline log of a run folder, oldest first."""
    found = []
    for log in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        command = ["wandb", "leet", "inspect", "--json", str(log)]
        text = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append([json.loads(line) for line in text.stdout.splitlines()])
    return found


def of(log: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in log if record["type"] == kind]


def exit_code(log: list[dict[str, Any]]) -> int:
    (record,) = of(log, "exit")
    return int(record.get("exit_code", 0))


def summary(log: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in of(log, "summary"):
        found.update(record.get("update", {}))
    return found


@pytest.fixture
def wandb_command(monkeypatch) -> None:
    """Let this Python's wandb be the one that is called."""
    import os
    import sys

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def test_train_then_evaluate_is_one_run(
    micrec: Micrec, small: list[str], runs, wandb_command: None
) -> None:
    settings = [*small, "model=popularity", "logger=wandb", "logger.group=study"]
    assert micrec("train", *settings) == 0
    (folder,) = runs()
    (trained,) = records(folder)
    (run,) = of(trained, "run")
    assert run["run_id"] == folder.name
    assert run["run_group"] == "study"
    assert run["tags"][2:] == ["popularity", "seed0"]
    assert exit_code(trained) == 0
    assert not [key for key in summary(trained) if key.startswith("test/")]
    history = (folder / "history.jsonl").read_text().splitlines()
    logged = [row["item"]["epoch"] for row in of(trained, "history")]
    assert logged == [json.loads(line)["epoch"] for line in history]
    artifacts = {each["type"]: each for each in of(trained, "artifact")}
    assert {"dataset", "split", "model"} <= {*artifacts}
    for each in artifacts.values():
        for entry in each["manifest"]["contents"]:
            assert Path(entry["local_path"]).is_relative_to(folder)

    assert micrec("evaluate", folder) == 0
    _, tested = records(folder)
    assert of(tested, "run")[0]["run_id"] == run["run_id"]
    metrics = json.loads((folder / "metrics.json").read_text())
    domain, by_group = next(iter(metrics["test"].items()))
    found = summary(tested)
    assert found[f"test/{domain}/all/ndcg@20"] == by_group["all"]["ndcg@20"]
    assert len(of(tested, "history")) >= len(logged)  # the last log has everything
    media = folder.glob("wandb/offline-run-*/files/media/table/test/groups*.json")
    table = json.loads(next(media).read_text())
    assert table["columns"][:2] == ["domain", "group"]
    media = folder.glob("wandb/offline-run-*/files/media/table/test/examples*.json")
    examples = json.loads(next(media).read_text())
    assert {"user", "item", "title", "score", "reason"} <= {*examples["columns"]}
    assert len(examples["data"]) == examples_of(folder).height > 0
    for each in of(tested, "artifact"):
        for entry in each["manifest"]["contents"]:
            assert Path(entry["local_path"]).is_relative_to(folder)
            assert Path(entry["local_path"]).is_file()

    assert micrec("evaluate", folder) == 0  # nothing new to say
    assert len(records(folder)) == 2


@pytest.mark.fuzz
def test_a_run_trained_without_wandb_is_pushed(
    micrec: Micrec, small: list[str], runs, wandb_command: None
) -> None:
    assert micrec("train", *small, "model=popularity") == 0
    (folder,) = runs()
    assert micrec("evaluate", folder) == 0
    assert not (folder / "wandb").exists()
    assert micrec("wandb", "push", folder, "--group", "late") == 0
    (log,) = records(folder)
    assert of(log, "run")[0]["run_group"] == "late"
    assert any(key.startswith("test/") for key in summary(log))


def _log_a_run(folder: Path, number: int) -> None:
    tracker = started({**CONFIG, "seed": number}, folder, None)
    for epoch in range(20):
        tracker.epoch({"epoch": epoch, "loss": {"bpr": float(number)}})
    tracker.finish(None)


@pytest.mark.fuzz
def test_two_jobs_at_once_do_not_mix(tmp_path: Path, wandb_command: None) -> None:
    start = multiprocessing.get_context("spawn").Process
    folders = [tmp_path / f"run-{number}" for number in range(2)]
    jobs = [start(target=_log_a_run, args=(f, n)) for n, f in enumerate(folders)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    for number, folder in enumerate(folders):
        (log,) = records(folder)
        assert of(log, "run")[0]["config"]["update"]["seed"] == number
        values = [row["item"]["loss/bpr"] for row in of(log, "history")]
        assert values == [number] * 20
        assert exit_code(log) == 1


def _offline_log(folder: Path) -> Path:
    log = folder / "wandb" / "offline-run-1-a"
    log.mkdir(parents=True)
    (log / "run-a.wandb").touch()
    mark = {"id": "a", "folder": str(folder.resolve()), "options": {}, "tested": 0}
    (folder / "wandb" / "run.json").write_text(json.dumps(mark))
    return log


def test_sync_sends_what_waits_and_refuses_a_moved_run(tmp_path, monkeypatch) -> None:
    sent: list[list[str]] = []

    def run(command: list[str]) -> Any:
        sent.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    log = _offline_log(tmp_path / "a")
    assert sync(tmp_path) == 1
    assert sent[0][-1] == str(log)
    (log / "run-a.wandb.synced").touch()
    assert sync(tmp_path) == 0
    (log / "run-a.wandb.synced").unlink()
    shutil.move(tmp_path / "a", tmp_path / "b")
    with pytest.raises(InputError, match=r"push .* --mode online"):
        sync(tmp_path)
    with pytest.raises(InputError, match="no log of wandb"):
        sync(tmp_path / "empty")
    assert len(sent) == 1
