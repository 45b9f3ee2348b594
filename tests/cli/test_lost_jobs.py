"""A sweep whose jobs are lost, and the launchers that other packages bring."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from micrec_pyg.cli.lost_jobs import launch
from micrec_pyg.cli.sweep_jobs import AXES, read

ROOT = Path(__file__).parents[2]

LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", ["hydra.launcher.n_jobs=2"]),
    "submitit_local": (
        "hydra_plugins.hydra_submitit_launcher",
        ["hydra.launcher.timeout_min=5"],
    ),
    "ray": (
        "hydra_plugins.hydra_ray_launcher",
        ["+hydra.launcher.ray.init.num_cpus=2"],
    ),
}

KILLED_ONCE = """
import os
import signal

from micrec_pyg.models.popularity import Popularity


class Killed(Popularity):
    def prepare(self, train):
        try:
            os.close(os.open(os.environ["KILLED_ONCE"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return super().prepare(train)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def _done(folder: Path, *numbers: int) -> None:
    for number in numbers:
        (folder / f"job-{number}.json").write_text("{}")


def test_jobs_that_leave_no_result_are_told_and_run_once_more(
    tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setenv(AXES, json.dumps({"K": ["0", "3"], "seed": ["0", "1"]}))
    tries = []

    def start() -> None:
        tries.append(1)
        if len(tries) == 1:
            _done(tmp_path, 0, 2)
            raise RuntimeError("a worker\nwas killed")
        _done(tmp_path, 1, 3)

    assert launch(start, tmp_path) == []
    (line,) = caplog.messages
    assert line == (
        "jobs 2, 4 left no result: a worker; what is not complete runs again"
    )


def test_jobs_that_are_lost_again_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(AXES, json.dumps({"seed": ["0", "1", "2"]}))
    _done(tmp_path, 2)
    os.utime(tmp_path / "job-2.json", (1, 1))  # of an earlier launch
    tries = []
    assert launch(lambda: (_done(tmp_path, 0), tries.append(1)), tmp_path) == [1, 2]
    assert len(tries) == 2


def test_a_sweep_of_unknown_length_is_launched_once(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(AXES, raising=False)
    tries = []
    assert launch(lambda: tries.append(1), tmp_path) == []
    assert len(tries) == 1


@pytest.mark.fuzz
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_killed_job_is_run_again_by_every_launcher(small, tmp_path, launcher) -> None:
    module, further = LAUNCHERS[launcher]
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    (tmp_path / "killed_once.py").write_text(KILLED_ONCE)
    environment = {
        "MICREC_PLUGINS": "killed_once",
        "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', ROOT / 'src')}",
        "KILLED_ONCE": str(tmp_path / "killed"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    sweep = tmp_path / "sweep"
    argv = ["model=popularity", "model.net._target_=killed_once.Killed", "seed=0,1"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "micrec_pyg", "train", "-m"),
            *(*small, *argv, f"hydra/launcher={launcher}", *further),
            f"hydra.sweep.dir={sweep}",
        ],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    assert [job.error for job in read(sweep)] == [None, None]
    if launcher != "ray":  # it starts a lost job again by itself
        assert "runs again" in done.stderr
