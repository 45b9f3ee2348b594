"""One run in several processes: the same run, and one writer of its folder."""

import contextlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from micrec_pyg.cli import main as command
from micrec_pyg.training.state import RunState

# A server that has imported everything and used nothing forks the processes: each
# would else take seconds to import torch.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["micrec_pyg.runs.job", "micrec_pyg.cli.train"])

LIMIT_S = 120


def _run(argv: Sequence[str], environment: dict[str, str], ends: Any) -> None:
    """Run a command as one of several processes; tell how it ended."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    if number := int(environment.get("KILL_AFTER_SAVES", "0")):
        _kill_after(number)
    sys.argv = ["micrec", *argv]
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = command.main()
    ends.put((int(environment["RANK"]), code, out.getvalue(), err.getvalue()))


def _kill_after(number: int) -> None:
    """Kill this process when the run has been saved so often."""
    real, left = RunState.save, number

    def save(self: RunState, folder: Path) -> None:
        nonlocal left
        real(self, folder)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    RunState.save = save  # type: ignore[method-assign]


def _together(argv: Sequence[str], count: int, **kill: int) -> dict[int, Any]:
    """Return {rank: (exit code, stdout, stderr)} of those that ended by themselves.

    Args:
        argv: The command.
        count: Processes.
        kill: By ``rank``, after how many saved epochs it is killed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends = PROCESSES.Queue()
    started = []
    for rank in range(count):
        environment = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "KILL_AFTER_SAVES": str(kill.get(f"rank{rank}", 0)),
        }
        process = PROCESSES.Process(target=_run, args=(argv, environment, ends))
        process.start()
        started.append(process)
    for process in started:
        process.join(LIMIT_S)
        assert process.exitcode is not None, "a process hangs"
    return {
        rank: rest for rank, *rest in (ends.get() for _ in range(count - len(kill)))
    }


def _settings(root: Path, *further: str) -> list[str]:
    return [
        "data=synthetic",
        f"data.root={root}/data",
        "data.num_users=60",
        "data.num_items=40",
        "data.with_images=false",
        "features=none",
        "neighbors=cooccurrence",
        f"features.cache_dir={root}/features",
        f"cache_dir={root}/knn",
        "device=cpu",
        "fit.max_epochs=2",
        "fit.checkpoint_every_s=0",
        "fit.batch_size=101",
        *further,
    ]


def _folder(output: Path) -> Path:
    (found,) = output.rglob("metrics.json")
    return found.parent


def _check_same(found: Path, expected: Path) -> None:
    """Compare two runs: results exactly, parameters within rounding.

    Adam divides by the size of a gradient, so rounding is far from the last bit where
    one is nearly zero; a batch that is divided wrongly is off by 0.005, the step.
    """
    mine, other = (
        json.loads((folder / "metrics.json").read_text())
        for folder in (found, expected)
    )
    assert mine["best_epoch"] == other["best_epoch"]
    assert mine["val"].keys() == other["val"].keys()
    for domain, groups in other["val"].items():
        assert mine["val"][domain]["all"] == pytest.approx(groups["all"], abs=1e-9)
    names = {
        path.relative_to(folder)
        for folder in (found, expected)
        for path in folder.rglob("*")
    }
    for name in names:
        assert (found / name).exists(), name
        assert (expected / name).exists(), name
        if name.suffix == ".safetensors":
            _check_tensors(load_file(found / name), load_file(expected / name))


def _check_tensors(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=3e-4)


def test_two_processes_train_the_run_of_one(micrec, tmp_path, capsys) -> None:
    settings = _settings(tmp_path, "model=micrec")
    assert micrec("train", *settings, f"output_dir={tmp_path}/one") == 0
    ends = _together(["train", *settings, f"output_dir={tmp_path}/two"], 2)
    (code, out, _), (other, quiet, silent) = ends[0], ends[1]
    assert (code, other) == (0, 0)
    assert out.splitlines()[-1] == str(_folder(tmp_path / "two"))
    assert (quiet, silent) == ("", "")
    _check_same(_folder(tmp_path / "two"), _folder(tmp_path / "one"))


def test_a_command_of_one_process_is_refused_in_several(
    micrec, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert micrec("report", "outputs") == 2
    assert "micrec report runs in one process" in capsys.readouterr().err
    assert micrec("train", "-m", "seed=0,1") == 2
    assert "runs in one process" in capsys.readouterr().err


@pytest.mark.fuzz
@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(
    "model",
    [
        ["model=micrec"],
        ["model=lightgcn", "loss=ssm"],
        ["model=micrec_plus"],
        ["model=neumf"],
        ["model=multivae"],
        ["model=popularity"],
    ],
    ids=lambda model: model[0],
)
def test_any_number_of_processes_trains_the_same_run(
    micrec, tmp_path, count, model
) -> None:
    settings = _settings(tmp_path, *model)
    assert micrec("train", *settings, f"output_dir={tmp_path}/one") == 0
    ends = _together(["train", *settings, f"output_dir={tmp_path}/many"], count)
    assert [ends[rank][0] for rank in range(count)] == [0] * count
    _check_same(_folder(tmp_path / "many"), _folder(tmp_path / "one"))


@pytest.mark.fuzz
def test_several_processes_evaluate_as_one(micrec, tmp_path) -> None:
    settings = _settings(tmp_path, "model=micrec", f"output_dir={tmp_path}/outputs")
    assert micrec("train", *settings) == 0
    folder = _folder(tmp_path / "outputs")
    shutil.copytree(folder, other := tmp_path / "copy" / folder.name)
    assert micrec("evaluate", folder) == 0
    ends = _together(["evaluate", str(other)], 3)
    assert [ends[rank][0] for rank in range(3)] == [0, 0, 0]
    assert [bool(ends[rank][1]) for rank in range(3)] == [True, False, False]
    found, expected = (
        json.loads((each / "metrics.json").read_text()) for each in (other, folder)
    )
    assert found["test"] == expected["test"]
    assert found["test_evaluations"] == 1
    for name in ("per_user.parquet", "artefact/artefact.json"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.fuzz
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_job_and_any_number_goes_on(
    micrec, tmp_path, lost
) -> None:
    settings = _settings(tmp_path, "model=micrec", "fit.max_epochs=6")
    assert micrec("train", *settings, f"output_dir={tmp_path}/one") == 0
    broken = ["train", *settings, f"output_dir={tmp_path}/many"]
    ends = _together(broken, 2, **{f"rank{lost}": 2})
    ((code, out, err),) = ends.values()
    assert (code, out) == (1, "")
    assert "another process of this run has ended" in err
    assert "Traceback" not in err
    (history,) = (tmp_path / "many").rglob("history.jsonl")
    assert len(history.read_text().splitlines()) >= 2
    ends = _together(broken, 3)
    assert [ends[rank][0] for rank in range(3)] == [0, 0, 0]
    _check_same(_folder(tmp_path / "many"), _folder(tmp_path / "one"))


@pytest.mark.fuzz
def test_torchrun_starts_them(tmp_path) -> None:
    settings = _settings(tmp_path, "model=lightgcn", f"output_dir={tmp_path}/outputs")
    torchrun = shutil.which("torchrun", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [
            str(torchrun),
            "--standalone",
            "--nproc-per-node=2",
            "-m",
            "micrec_pyg",
            "train",
            *settings,
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(_folder(tmp_path / "outputs"))
    assert done.stderr.count("training: ") == 1
