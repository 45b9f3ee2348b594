"""One process at a time in a run folder: tried with processes of their own."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs import evaluate
from micrec_pyg.storage.lock import FILE, locked

ROOT = Path(__file__).parents[2]
TRAIN = "from micrec_pyg.cli.train import main; main({argv!r})"
EVALUATE = "from micrec_pyg.cli.evaluate import main; main({argv!r})"


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def count(run: Path) -> int:
    return json.loads((run / "metrics.json").read_text())["test_evaluations"]


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / FILE).is_file()
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    with locked(tmp_path / "run"):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]


def _add(folder: Path, times: int) -> None:
    for _ in range(times):
        with locked(folder / "lock"):
            number = int((folder / "count").read_text())
            time.sleep(0.0005)
            (folder / "count").write_text(str(number + 1))


@pytest.mark.fuzz  # slow: many processes
def test_no_two_processes_are_inside(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    context = multiprocessing.get_context("spawn")
    many = [context.Process(target=_add, args=(tmp_path, 50)) for _ in range(3)]
    for process in many:
        process.start()
    for process in many:
        process.join()
    assert (tmp_path / "count").read_text() == "150"


def _hold(folder: Path) -> None:
    with locked(folder):
        time.sleep(600)


# from Python 3.12 on; the fork of these threads only locks, sleeps and is killed
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_hold, args=(tmp_path / "run",))
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / FILE).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert (tmp_path / "run" / FILE).exists()
    begin = time.monotonic()
    with locked(tmp_path / "run"):
        assert time.monotonic() - begin < 5


@pytest.mark.fuzz  # slow
def test_the_same_run_started_twice_is_trained_once(small, runs) -> None:
    argv = [*small, "fit.max_epochs=30"]
    both = [start(TRAIN.format(argv=argv)) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (run,) = runs()
    waited = [text for text in said if "another process works there" in text]
    assert len(waited) <= 1
    assert sum("is complete and not trained again" in text for text in said) == 1
    assert len((run / "history.jsonl").read_text().splitlines()) == 30


@pytest.mark.fuzz  # slow: many processes
def test_two_evaluations_at_once_count_as_they_are(small) -> None:
    run = train_job(small)
    both = [start(EVALUATE.format(argv=[str(run)])) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("test results are there already" in text for text in said) == 1
    assert count(run) == 1
    again = [start(EVALUATE.format(argv=[str(run), "--again"])) for _ in range(2)]
    for process in again:
        process.communicate()
    assert count(run) == 3


def test_an_evaluation_that_is_killed_counts(ready, tmp_path, monkeypatch) -> None:
    left = tmp_path / "left"

    def die(*_: object, **__: object) -> None:
        # what a kill at this moment leaves; an exception might tidy up
        shutil.copytree(ready, left)
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "test_stage", die)
    with pytest.raises(KeyboardInterrupt):
        evaluate.evaluate_job(ready, again=True)
    assert count(left) == 1
    assert "- test evaluations: 1\n" in (left / "run_card.md").read_text()
    assert "test" not in json.loads((left / "metrics.json").read_text())
