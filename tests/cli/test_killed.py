"""A kill at every write of a command; the same command then ends as if unharmed."""

import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import micrec_pyg.storage.writing as writing
from micrec_pyg.cli import main as command

Commands = list[list[str]]

# A server that has imported everything and used nothing forks the processes to kill:
# each would else take seconds to import torch.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["micrec_pyg.runs.job", "micrec_pyg.cli.train"])


def _settings(root: Path) -> list[str]:
    """Return overrides of a run that takes a moment and writes every kind of cache."""
    return [
        "data=synthetic",
        f"data.root={root}/data",
        "data.num_users=40",
        "data.num_items=30",
        "data.with_images=false",
        "features=noise",
        f"features.cache_dir={root}/features",
        f"cache_dir={root}/knn",
        f"output_dir={root}/outputs",
        "device=cpu",
        "fit.max_epochs=2",
        "fit.checkpoint_every_s=0",
    ]


def _train_and_evaluate(root: Path) -> Commands:
    return [["train", *_settings(root)], ["evaluate", f"{root}/outputs"]]


def _sweep(root: Path) -> Commands:
    sweep = ["train", "-m", *_settings(root), "model=popularity,inmo", "seed=0"]
    return [sweep, ["report", f"{root}/outputs", "--part", "val"]]


def _run(commands: Commands) -> list[int]:
    """Return the exit codes of some command lines, run in this process."""
    codes = []
    with contextlib.redirect_stdout(io.StringIO()):
        for argv in commands:
            before, command.sys.argv = command.sys.argv, ["micrec", *argv]
            try:
                codes.append(command.main())
            finally:
                command.sys.argv = before
    return codes


def _run_until(commands: Commands, number: int, moment: str) -> None:
    """Run some commands and kill this process at a write; exit code 0 if none came."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    real: Callable[[Path, Path], None] = writing._replace
    left = number

    def replace(content: Path, path: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0 and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(content, path)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    writing._replace = replace
    _run(commands)


def _results(root: Path) -> dict[str, Any]:
    """Return all that a kill must not change, by file."""
    found: dict[str, Any] = {}
    for path in sorted((root / "outputs").rglob("*")):
        name = str(path.relative_to(root))
        if path.name == "model.safetensors" or path.suffix == ".parquet":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.name == "metrics.json":
            metrics = json.loads(path.read_text())
            found[name] = {part: metrics.get(part) for part in ("val", "test")}
        if path.name == "history.jsonl":
            found[name] = len(path.read_text().splitlines())
    assert found
    return found


def _killed_everywhere(
    commands: Callable[[Path], Commands], root: Path, numbers: list[int] | None
) -> int:
    """Return how many kills were survived; None kills at every write."""
    assert _run(commands(root / "whole")) == [0, 0]
    expected = _results(root / "whole")
    tried = 0
    for moment in ("before", "after"):
        number = 0
        while True:
            number += 1
            if numbers is not None and number > max(numbers):
                break
            if numbers is not None and number not in numbers:
                continue
            here = root / f"{moment}{number}"
            process = PROCESSES.Process(
                target=_run_until, args=(commands(here), number, moment)
            )
            process.start()
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL, (moment, number)
            assert _run(commands(here)) == [0, 0], (moment, number)
            assert _results(here) == expected, (moment, number)
            assert not list(here.rglob("*.part")), (moment, number)
            tried += 1
    return tried


@pytest.mark.fuzz
@pytest.mark.parametrize("commands", [_train_and_evaluate, _sweep])
def test_a_kill_at_any_write_changes_nothing(commands, tmp_path, tried) -> None:
    kills = _killed_everywhere(commands, tmp_path, None)
    tried(f"kills at a write: {commands.__name__.strip('_').replace('_', ' ')}", kills)
    assert kills >= 30


@pytest.mark.fuzz  # slow
def test_a_kill_in_the_middle_changes_nothing(tmp_path) -> None:
    assert _killed_everywhere(_train_and_evaluate, tmp_path, [9]) == 2
