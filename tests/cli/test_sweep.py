"""A sweep from its first job to its table; one job fails, and the others go on."""

import errno
import json
import logging
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import stdev

import polars as pl
import pytest

from micrec_pyg.cli import sweep, sweep_jobs
from micrec_pyg.cli.sweep_axes import axes_of
from micrec_pyg.cli.sweep_jobs import (
    AXES,
    LAUNCH,
    Job,
    group_of,
    name_of,
    read,
    run_job,
    selection,
)
from micrec_pyg.cli.sweep_tables import tables
from micrec_pyg.schema import InputError


def _run(root: Path, name: str, value: float) -> Path:
    """Write what a sweep reads of a finished run."""
    folder = root / name
    folder.mkdir()
    val = {d: {"all": {"ndcg@5": value + place}} for place, d in enumerate("ab")}
    (folder / "metrics.json").write_text(json.dumps({"val": val}))
    return folder


@pytest.fixture
def jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Path:
    """Return the folder of a sweep over K and seed whose last job failed."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(AXES, json.dumps({"K": ["0", "3"], "seed": ["0", "1"]}))
    values = [("0", "0", 0.25), ("0", "1", 0.5), ("3", "0", 0.75), ("3", "1", None)]
    for number, (k, seed, value) in enumerate(values):

        def train(number: int = number, value: float | None = value) -> Path:
            if value is None:
                raise InputError("K=3 is too large here")
            return _run(tmp_path, f"r{number}", value)

        returned = run_job(
            train,
            sweep=tmp_path / "sweep",
            number=number,
            overrides=["data=x", f"K={k}", f"seed={seed}"],
            metric="ndcg@5",
        )
        # the mean of a and b, whose values are one apart
        assert returned == (value or math.nan) + 0.5 or math.isnan(returned)
    return tmp_path / "sweep"


def test_the_table_has_the_best_first_and_every_failure(jobs: Path) -> None:
    lines = tables(read(jobs))
    assert [line.split() for line in lines[:3]] == [
        ["K", "validation", "ndcg@5", "sd", "seeds"],
        ["0", "0.8750", f"{stdev([0.75, 1.0]):.4f}", "2"],
        ["3", "1.2500", "-", "1"],
    ]
    assert lines[3:] == [
        "best by validation, mean over seeds: K=0",
        "not compared: K=3 has no value for seed 1",
        "",
        "failed: K=3 seed=1: K=3 is too large here",
        "1 of 4 jobs failed",
    ]


def test_each_split_has_its_own_best() -> None:
    values = {("random", "1"): 0.4, ("random", "3"): 0.5, ("new_nodes", "1"): 0.3}
    jobs = [
        Job(n, {"split": split, "K": k}, "ndcg@5", 1.0, "run", value)
        for n, ((split, k), value) in enumerate(values.items())
    ]
    found = tables(jobs)
    assert [line.split()[:2] for line in found[1:4]] == [
        ["new_nodes", "1"],
        ["random", "3"],
        ["random", "1"],
    ]
    assert found[4:6] == [
        "best by validation, mean over seeds, split=new_nodes: K=1",
        "best by validation, mean over seeds, split=random: K=3",
    ]


@pytest.mark.parametrize("key", ["pair", "experiment", "data.path", "split.seed"])
def test_each_data_set_has_its_own_best(key: str) -> None:
    values = {
        ("one", "1"): 0.4,
        ("one", "3"): 0.3,
        ("two", "1"): 0.1,
        ("two", "3"): 0.2,
    }
    jobs = [
        Job(n, {key: data, "K": k}, "ndcg@5", 1.0, "run", value)
        for n, ((data, k), value) in enumerate(values.items())
    ]
    assert tables(jobs)[5:7] == [
        f"best by validation, mean over seeds, {key}=one: K=1",
        f"best by validation, mean over seeds, {key}=two: K=3",
    ]


def test_each_metric_has_its_own_table_and_best() -> None:
    values = [("ndcg@5", "1", 0.3), ("ndcg@5", "3", 0.4)]
    values += [("recall@5", "1", 0.8), ("recall@5", "3", 0.7)]
    jobs = [
        Job(n, {"fit.metric": metric, "K": k}, metric, 1.0, "run", value)
        for n, (metric, k, value) in enumerate(values)
    ]
    found = tables(jobs)
    assert [line.split() for line in (found[0], found[5])] == [
        ["fit.metric", "K", "validation", metric, "sd", "seeds"]
        for metric in ("ndcg@5", "recall@5")
    ]
    best = "best by validation, mean over seeds, fit.metric="
    assert [line for line in found if line.startswith("best")] == [
        f"{best}ndcg@5: K=3",
        f"{best}recall@5: K=1",
    ]


def _unlike_groups(of_error: str | None) -> list[Job]:
    """Return jobs of three settings; the first answers nobody new."""
    values = {"error": (0.4, of_error), "zero": (0.2, "all"), "mean": (0.3, "all")}
    return [
        Job(n, {"unseen": each}, "ndcg@5", 1.0, "run", value, group=group)
        for n, (each, (value, group)) in enumerate(values.items())
    ]


def test_each_group_has_its_own_best() -> None:
    found = tables(_unlike_groups("old_user_old_item"))
    assert [line.split()[0] for line in found[1:4]] == ["mean", "zero", "error"]
    best = "best by validation, mean over seeds, group="
    assert found[4:7] == [
        f"{best}all: unseen=mean",
        f"{best}old_user_old_item: unseen=error",
        "not compared with other groups: unseen=error is ranked on old_user_old_item, "
        "which is all that its model answers",
    ]


@pytest.mark.parametrize("group", ["all", None])  # earlier versions wrote none
def test_one_group_is_not_told(group: str | None) -> None:
    found = tables(_unlike_groups(group))[4:]
    assert found == ["best by validation, mean over seeds: unseen=error", ""]


def test_seeds_of_unlike_groups_are_not_averaged() -> None:
    jobs = [
        Job(n, {"seed": str(n)}, "ndcg@5", 1.0, "run", 0.5, group=group)
        for n, group in enumerate(["all", "old_item"])
    ]
    found = tables(jobs)
    assert [line.split()[-1] for line in found[1:3]] == ["1", "1"]
    assert not any(line.startswith("best") for line in found)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["all", "all"], "all"),
        (["old_item", "old_item"], "old_item"),
        (["all", "old_item"], "all,old_item"),
    ],
)
def test_the_group_of_a_run_is_that_of_every_domain(
    tmp_path: Path, groups: list[str], said: str
) -> None:
    val = {f"d{n}": {group: {"ndcg@5": 0.5}} for n, group in enumerate(groups)}
    (tmp_path / "metrics.json").write_text(json.dumps({"val": val}))
    assert group_of(tmp_path) == said


def test_a_setting_that_lacks_a_seed_is_never_the_best() -> None:
    """Seed 0 is the lucky one, and K=1 is better with both."""
    values = {("0", "0"): 0.4, ("0", "1"): None, ("1", "0"): 0.41, ("1", "1"): 0.31}
    jobs = [
        Job(n, {"K": k, "seed": seed}, "ndcg@5", 1.0, "run", value)
        for n, ((k, seed), value) in enumerate(values.items())
    ]
    for given in (jobs, [jobs[0], *jobs[2:]]):  # failed, and without a file
        found = tables(given)
        assert [line.split()[0] for line in found[1:3]] == ["1", "0"]
        assert found[3:5] == [
            "best by validation, mean over seeds: K=1",
            "not compared: K=0 has no value for seed 1",
        ]
    assert not any(line.startswith("best") for line in tables([jobs[0], jobs[3]]))


def test_a_sweep_that_is_not_at_its_end_says_so() -> None:
    jobs = [Job(0, {"K": "1"}, "ndcg@5", 1.0, "run", 0.5, None, 4)]
    assert tables(jobs)[-1] == (
        "1 of 4 jobs have ended; the command of the sweep continues it"
    )
    assert "of 4" not in "".join(tables([*jobs, *jobs, *jobs, *jobs]))


def test_a_file_of_an_earlier_version_is_read(jobs: Path) -> None:
    path = jobs / "job-0.json"
    content = json.loads(path.read_text())
    found = [content.pop(name) for name in ("of", "group", "launch", "data")]
    assert found == [4, "all", 0.0, None]
    path.write_text(json.dumps(content))
    assert [job.of for job in read(jobs)] == [0, 4, 4, 4]
    assert [job.group for job in read(jobs)] == [None, "all", "all", None]


def test_jobs_on_different_data_are_told() -> None:
    jobs = [
        Job(n, {"data": task, "seed": str(n)}, "ndcg@5", 1.0, "run", 0.5, data=data)
        for n, (task, data) in enumerate(("aa", "aa", "ab", "bb"))
    ]
    told = [line for line in tables(jobs) if "the data changed" in line]
    assert len(told) == 1
    assert "do not compare: jobs 0, 1; jobs 2; give the command" in told[0]
    assert not any("the data changed" in line for line in tables(jobs[:2]))


def test_values_of_an_earlier_launch_wait_until_they_are_found_again(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data may have changed between the two: their seeds make no mean."""
    monkeypatch.setenv(LAUNCH, "1.5")
    run_job(
        lambda: _run(jobs.parent, "new", 0.125),
        sweep=jobs,
        number=0,
        overrides=["K=0", "seed=0"],
        metric="ndcg@5",
    )
    # the failure of before is not lost
    assert [(job.number, job.value) for job in read(jobs)] == [(0, 0.625), (3, None)]
    assert tables(read(jobs))[-3:] == [
        "failed: K=3 seed=1: K=3 is too large here",
        "1 of 2 jobs failed",
        "2 of 4 jobs have ended; the command of the sweep continues it",
    ]


def test_a_sweep_is_launched_again_and_broken_off(
    micrec, small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    sweep = ["train", "-m", *small, "model=popularity", "seed=0,1,2"]

    def table() -> list[str]:
        (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
        capsys.readouterr()
        assert micrec("sweep", folder) == 0
        return str(capsys.readouterr().out).splitlines()

    assert micrec(*sweep) == 0
    before = table()
    assert before[1].split()[-1] == "3"
    assert micrec(*sweep) == 0
    assert table() == before

    def killed(folder: Path, metric: str) -> float:
        if "-s2-" in folder.name:
            raise KeyboardInterrupt
        return selection(folder, metric)

    monkeypatch.setattr(sweep_jobs, "selection", killed)
    assert micrec(*sweep) == 130
    after = table()
    assert after[1].split()[-1] == "2"
    assert "2 of 3 jobs have ended; the command of the sweep continues it" in after


@pytest.mark.parametrize("select", ["seen", "new", None])
def test_equal_validations_are_a_tie(tmp_path: Path, select: str | None) -> None:
    if select is not None:
        text = f"split: {{select: {select}}}"
        (tmp_path / "config.yaml").write_text(text)
    values = [("zero", "0", 0.5), ("mean", "0", 0.2), ("zero", "1", 0.25)]
    values += [("mean", "1", 0.3), ("error", "0", 0.25), ("error", "1", 0.5)]
    jobs = [
        Job(n, {"x": x, "seed": seed}, "ndcg@5", 1.0, str(tmp_path), value)
        for n, (x, seed, value) in enumerate(values)
    ]
    line, *hint = tables(jobs)[4:-1]
    assert line == (
        "a tie by validation, mean over seeds: x=zero; x=error: none of them is better "
        "than the others"
    )
    assert ["split.select=new" in each for each in hint] == [True] * (select == "seen")


def test_a_job_tells_its_place_and_what_is_left(
    jobs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = [r.getMessage() for r in caplog.get_records("setup")]
    assert told[0].startswith("job 1 of 4 done in 0 s: K=0 seed=0: ndcg@5 0.7500")
    assert told[0].endswith(", about 0 s left")
    assert told[3] == "job 4 of 4 failed in 0 s: K=3 seed=1: K=3 is too large here"


def test_a_damaged_file_of_a_job_to_come_stops_no_job(jobs: Path) -> None:
    (jobs / "job-3.json").write_text('{"number": 3')
    for number in (1, 3):
        run_job(
            lambda: jobs.parent / "r1",
            sweep=jobs,
            number=number,
            overrides=["K=0", f"seed={number}"],
            metric="ndcg@5",
        )
    assert [job.value for job in read(jobs)] == [0.75, 1.0, 1.25, 1.0]


def test_the_command_writes_a_row_per_job(micrec, jobs: Path, capsys) -> None:
    assert micrec("sweep", jobs) == 0
    assert "best by validation, mean over seeds: K=0" in capsys.readouterr().out
    frame = pl.read_csv(jobs / "jobs.csv")
    assert frame.select("K", "seed", "ndcg@5").rows() == [
        (0, 0, 0.75),
        (0, 1, 1.0),
        (3, 0, 1.25),
        (3, 1, None),
    ]
    assert frame["error"].to_list() == [None, None, None, "K=3 is too large here"]


def test_a_folder_without_jobs_is_refused(micrec, tmp_path: Path, capsys) -> None:
    assert micrec("sweep", tmp_path) == 2
    assert "holds no job of a sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seconds": "a"}, "seconds=a: give a number"),
        ({"overrides": 3}, "overrides=3: give {name: text}"),
        ({"value": "x"}, "value=x: give a number, or null"),
        ({"number": None}, "number=null: give a whole number"),
        ({"other": 1}, "the keys number, overrides,"),
    ],
)
def test_a_damaged_job_is_refused_by_name(
    micrec, jobs: Path, capsys, change, said
) -> None:
    path = jobs / "job-1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert micrec("sweep", jobs) == 2
    told = capsys.readouterr().err
    assert f"{path}: {said}" in told
    assert "delete it; the same sweep writes it anew" in told


@pytest.mark.parametrize("text", ["{", "[1]", '{"number": 0}', "\xff"])
def test_a_job_that_is_none_is_refused_by_name(
    micrec, jobs: Path, capsys, text
) -> None:
    (jobs / "job-1.json").write_text(text, encoding="latin-1")
    assert micrec("sweep", jobs) == 2
    told = capsys.readouterr().err
    assert str(jobs / "job-1.json") in told
    assert "delete it; the same sweep writes it anew" in told


def test_a_failing_job_ends_no_other_and_the_command_says_so(
    micrec, small, runs: Callable[[], list[Path]], tmp_path: Path, capsys
) -> None:
    sweep = ["train", "-m", *small, "model=popularity", "seed=0,1", "gamma=-1,0"]
    assert micrec(*sweep) == 1
    out = capsys.readouterr().out
    assert len(runs()) == 2
    assert "2 of 4 jobs failed" in out
    assert out.count("failed: ") == 2
    again = out.splitlines()[-1].split()[-1]
    assert Path(again).parent == tmp_path / "outputs" / "sweeps"
    # the same command continues the same sweep
    assert micrec(*sweep) == 1
    assert len(list(Path(again).parent.iterdir())) == 1


@pytest.mark.parametrize("place", ["~/my runs", "'my runs'", '"my runs"', "my runs"])
def test_a_sweep_lies_where_its_runs_do(
    micrec, small, tmp_path: Path, monkeypatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    given = [each for each in small if not each.startswith("output_dir=")]
    sweep = ["train", "-m", *given, "model=popularity", "seed=0,1"]
    assert micrec(*sweep, f"output_dir={place}") == 0
    assert not (tmp_path / "~").exists()
    runs = tmp_path / "my runs"
    assert len(list(runs.glob("synthetic/popularity/*"))) == 2
    assert len(list(runs.glob("sweeps/*/job-*.json"))) == 2


def test_axes_are_the_keys_with_several_values() -> None:
    argv = ["-m", "data=x", "K=0,3", "+fit.x=[1,2],[3]", "w=range(0,3)", "a=b,'c,d'"]
    assert axes_of(argv) == {
        "K": ["0", "3"],
        "fit.x": ["[1,2]", "[3]"],
        "w": ["0", "1", "2"],
        "a": ["b", "'c,d'"],
    }


def test_values_that_hydra_wants_in_quotes_are_axes_too() -> None:
    found = axes_of(["-m", "data.path=shöp,lädchen", "K=1,3"])
    assert {key: len(values) for key, values in found.items()} == {
        "data.path": 2,
        "K": 2,
    }


def test_the_name_follows_the_command() -> None:
    assert name_of(["-m", "K=0,3"]) == name_of(["-m", "K=0,3"])
    assert name_of(["-m", "K=0,3"]) != name_of(["-m", "K=0,4"])


@pytest.mark.fuzz  # slow: processes that load torch
def test_jobs_at_a_time_end_as_one_by_one(micrec, small, runs, capsys) -> None:
    sweep = ["train", "-m", *small, "model=popularity", "seed=0,1"]
    assert micrec(*sweep, "--jobs", "2") == 0
    assert len(runs()) == 2
    table = capsys.readouterr().out.splitlines()[-4:-1]
    assert micrec(*sweep) == 0
    assert capsys.readouterr().out.splitlines()[-4:-1] == table


@pytest.mark.parametrize("jobs", ["0", "x", "-1", "1.5"])
def test_an_impossible_number_of_jobs_is_refused(micrec, small, jobs, capsys) -> None:
    assert micrec("train", "-m", *small, "seed=0,1", f"--jobs={jobs}") == 2
    assert f"--jobs {jobs}: give the number of jobs" in capsys.readouterr().err


def test_a_launcher_that_is_not_installed_is_named(micrec, small, capsys) -> None:
    assert micrec("train", "-m", *small, "hydra/launcher=submitit_slurm") == 2
    said = capsys.readouterr().err
    assert "hydra/launcher=submitit_slurm is not installed" in said
    assert "micrec_pyg[joblib]" in said


def test_what_stops_a_sweep_before_its_first_job_is_told(
    micrec, small, tmp_path: Path, capsys
) -> None:
    """The folder of the sweep is there by then, and empty of jobs."""
    assert micrec("train", "-m", *small, "model=nope,popularity") == 2
    said = capsys.readouterr().err
    assert "unknown option model=nope" in said
    assert "holds no job" not in said


@pytest.mark.fuzz
def test_the_number_of_jobs_is_no_part_of_the_name(
    micrec, small, tmp_path: Path
) -> None:
    sweep = ["train", "-m", *small, "model=popularity", "seed=0,1"]
    assert micrec(*sweep) == micrec(*sweep, "--jobs", "1") == 0
    assert len(list((tmp_path / "outputs" / "sweeps").iterdir())) == 1


def test_a_sweep_is_read_from_anywhere_and_its_lost_runs_are_told(
    micrec, small, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [each for each in small if not each.startswith("output_dir=")]
    sweep = ["train", "-m", *given, "model=popularity", "seed=0,1"]
    assert micrec(*sweep, "output_dir=here") == 0
    moved, away = tmp_path / "moved", tmp_path / "away"
    moved.mkdir()
    away.mkdir()
    (tmp_path / "here").rename(moved / "here")
    monkeypatch.chdir(away)
    (folder,) = (moved / "here" / "sweeps").iterdir()
    runs = sorted((moved / "here" / "synthetic" / "popularity").iterdir())
    assert sorted(Path(str(job.folder)) for job in read(folder)) == runs
    assert micrec("sweep", folder, "--html") == 0
    page = (folder / "sweep.html").read_text()
    assert "Cost" in page
    assert "not in their folders" not in page
    shutil.rmtree(runs[0])
    assert micrec("sweep", folder, "--html") == 0
    page = (folder / "sweep.html").read_text()
    assert "1 of 2 runs are not in their folders any more" in page


def test_a_folder_that_cannot_be_written_still_has_its_table(
    micrec, jobs: Path, capsys, monkeypatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(sweep, "write_text", full)
    assert micrec("sweep", jobs) != 0
    told = capsys.readouterr()
    assert "best by validation, mean over seeds: K=0" in told.out
    assert "the disk is read-only" in told.err
