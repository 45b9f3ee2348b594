"""All runs of a preset with a stand-in for training, and the tables of them."""

import json
import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from fake_jobs import FakeJobs

from micrec_pyg.cli import pool, preset, reproduce
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.reproduce import main
from micrec_pyg.cli.time_left import TimeLeft
from micrec_pyg.schema import InputError

TOY = """
title: A toy
tuning: nothing at all
seeds: [0, 1]
overrides: [data=toy, fit.max_epochs=7]
splits: [split=random, split=new_nodes]
rows:
  - {label: Ours, overrides: [model=ours]}
  - {label: Ours w/o MM, overrides: [model=ours, K=0]}
  - {label: MF, overrides: [model=mf]}
metrics: [recall@20, ndcg@20]
groups: [new_user, old_user, item_degree_0]
picture:
  - {split: random, group: all, metric: ndcg@20}
  - {split: new_nodes, group: item_degree_0, metric: recall@20}
"""


@pytest.fixture
def fake(
    toy_preset: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> FakeJobs:
    made = FakeJobs()
    monkeypatch.setitem(sys.modules, "micrec_pyg.cli.train", made)
    monkeypatch.setitem(sys.modules, "micrec_pyg.runs.evaluate", made)
    # of models that are not real
    monkeypatch.setattr(reproduce, "check_jobs", lambda *_: None)
    toy_preset(TOY)
    return made


def _run(tmp_path: Path, *more: str) -> int:
    out = tmp_path / "out"
    return main(["preset=toy", "--output-dir", str(out), "--jobs", "1", *more])


def _page(tmp_path: Path) -> str:
    return (tmp_path / "out" / "reproduce-toy.md").read_text(encoding="utf-8")


def test_the_picture_has_the_panels_that_have_results(
    fake: FakeJobs, tmp_path: Path
) -> None:
    assert _run(tmp_path) == 0
    picture = (tmp_path / "out" / "reproduce-toy.svg").read_text(encoding="utf-8")
    assert picture.count('id="axes_') == 1
    for label in ("Ours", "Ours w/o MM", "MF"):
        assert f'id="point {label}"' in picture


def test_a_row_may_be_run_on_some_splits(toy_preset: Callable[[str], None]) -> None:
    toy_preset(TOY.replace("label: MF,", "label: MF, splits: [split=new_nodes],"))
    toy = Preset.read("toy")
    todo = toy.jobs(seeds=[0], extra=[], output_dir="out")
    splits = [next(o for o in j.overrides if o.startswith("split=")) for j in todo]
    found = [(job.label, split) for job, split in zip(todo, splits, strict=True)]
    assert found == [
        ("Ours", "split=random"),
        ("Ours w/o MM", "split=random"),
        ("Ours", "split=new_nodes"),
        ("Ours w/o MM", "split=new_nodes"),
        ("MF", "split=new_nodes"),
    ]
    searched = replace(toy, trials=2).searches(extra=[], output_dir="out")
    assert list(searched) == found


@pytest.mark.parametrize(
    ("extra", "trial", "run"), [([], 2, 7), (["fit.max_epochs=3"], 3, 3)]
)
def test_searches_may_have_settings_that_runs_have_not(
    toy_preset: Callable[[str], None], extra: list[str], trial: int, run: int
) -> None:
    toy_preset(f"{TOY}search_overrides: [fit.max_epochs=2]\ntrials: 1\n")
    toy = Preset.read("toy")
    where = {"extra": extra, "output_dir": "out"}
    for job in toy.searches(**where).values():
        assert f"fit.max_epochs={trial}" in job.overrides
    for job in [*toy.jobs(seeds=[0], **where), *toy.searched(**where).values()]:
        assert f"fit.max_epochs={run}" in job.overrides


def test_cut_offs_that_the_tables_need_are_asked_for_before_the_first_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=r"rank\.ks=\[5\]: the tables need recall@20"):
        main(["--preset", "quick", "rank.ks=[5]", f"--output-dir={tmp_path}"])
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("extra", "group"),
    [
        (["logger=wandb"], ["toy"]),
        (["logger=wandb", "logger.group=mine"], ["mine"]),
        (["logger=none"], []),
        ([], []),
    ],
)
def test_runs_at_wandb_are_a_group_of_the_preset_unless_another_is_given(
    fake: FakeJobs, extra: list[str], group: list[str]
) -> None:
    todo = Preset.read("toy").jobs(seeds=[0], extra=extra, output_dir="out")
    for job in todo:
        settings = [text.split("=") for text in job.overrides]
        assert [value for key, value in settings if key == "logger.group"] == group


def test_tables_by_hand(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path) == 0
    assert len(fake.trained) == 3 * 2 * 2
    sd = math.sqrt((0.05**2 + 0.05**2) / 1)  # of x and x + 0.1, over n - 1
    half = sd / 2
    table = [
        "| model | A recall@20 | A ndcg@20 | B recall@20 | B ndcg@20 "
        "| average recall@20 | average ndcg@20 | seeds |",
        f"| Ours | **0.4500 ± {sd:.4f}** | **0.2250 ± {half:.4f}** "
        f"| **0.4700 ± {sd:.4f}** | **0.2350 ± {half:.4f}** "
        f"| **0.4600 ± {sd:.4f}** | **0.2300 ± {half:.4f}** | 2 |",
        f"| Ours w/o MM | 0.2500 ± {sd:.4f} | 0.1250 ± {half:.4f} "
        f"| 0.2700 ± {sd:.4f} | 0.1350 ± {half:.4f} "
        f"| 0.2600 ± {sd:.4f} | 0.1300 ± {half:.4f} | 2 |",
    ]
    printed = capsys.readouterr().out
    for text in (printed, _page(tmp_path)):
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        assert [lines[0], lines[2], lines[3]] == table
        assert "| MF | - | - | - | - | - | - | - |" in lines
    assert _page(tmp_path).startswith(printed)


def test_groups_by_hand(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path)
    text = _page(tmp_path).split("# Every group")[0]
    random, new_nodes = text.split("## toy, split new_nodes")
    sd = math.sqrt(2 * 0.05**2)
    assert new_nodes.split("average over domains\n\n")[1].strip().splitlines() == [
        "| model | recall@20 new_user | recall@20 old_user | seeds |",
        "| --- | ---: | ---: | ---: |",
        f"| Ours | **0.4600 ± {sd:.4f}** | **0.4600 ± {sd:.4f}** | 2 |",
        f"| Ours w/o MM | 0.2600 ± {sd:.4f} | 0.2600 ± {sd:.4f} | 2 |",
        f"| MF | - | 0.1600 ± {sd:.4f} | 2 |",
    ]
    # without new users old ones are all users
    assert "old_user" not in random
    assert "### groups" not in random


def test_what_the_runs_took_stands_below_the_tables(
    fake: FakeJobs, tmp_path: Path
) -> None:
    _run(tmp_path)
    text = _page(tmp_path).split("# Time and memory")[1]
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "## split random",
        "## split new_nodes",
    ]
    rows = [line.split(" | ")[:2] for line in text.splitlines() if "|" in line]
    labels = [["| Ours", "2"], ["| Ours w/o MM", "2"], ["| MF", "2"]]
    assert [row for row in rows if row[1] == "2"] == 2 * labels


def test_csv(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path)
    frame = pl.read_csv(tmp_path / "out" / "reproduce-toy.csv")
    row = frame.filter(
        split="new_nodes", group="old_user", model="MF", domain="B", metric="recall@20"
    ).row(0, named=True)
    assert row["mean"] == pytest.approx((0.12 + 0.22) / 2)
    assert row["sd"] == pytest.approx(math.sqrt(2 * 0.05**2))
    assert row["seeds"] == 2


def test_the_header_says_how_it_was_made(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path, "--seeds", "1", "w=0.5")
    head = _page(tmp_path).split("##")[0]
    out = tmp_path / "out"
    command = f"micrec reproduce preset=toy --output-dir {out} --jobs 1 --seeds 1 w=0.5"
    for said in (
        f"- command: `{command}`\n",
        "- runs: 6 of 6 done\n",
        "- settings: data=toy fit.max_epochs=7 w=0.5\n",
        "- data: toy\n",
        "- splits: random, new_nodes\n",
        "- seeds: 1 ",
        "- tuning: nothing at all\n",
        "- selection: the epoch with the best validation NDCG@20\n",
        "- test: evaluated once per run",
        " cores, ",
    ):
        assert said in head


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["fit.metric=recall@10"], "the epoch with the best validation Recall@10"),
        (["fit.eval_every=7"], "the last epoch"),
        (["fit.max_epochs=0"], "none, as nothing is trained"),
        (
            ["fit.eval_every=5"],
            "the epoch with the best validation NDCG@20, of every 5 and the last",
        ),
    ],
)
def test_the_header_says_what_was_selected(
    fake: FakeJobs, tmp_path: Path, more: list[str], said: str
) -> None:
    _run(tmp_path, *more)
    assert f"- selection: {said}\n" in _page(tmp_path)


def test_the_header_says_how_many_runs_the_limit_of_epochs_ended(
    fake: FakeJobs, tmp_path: Path
) -> None:
    _run(tmp_path, "fit.patience=8")
    said = "validation NDCG@20; 12 of 12 runs ended at fit.max_epochs\n"
    assert said in _page(tmp_path)


def test_the_header_says_what_the_seeds_are_of(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path, "split.seed=1")
    said = "- seeds: 0, 1 (of the model; of the split too in 6 of 12 runs)\n"
    assert said in _page(tmp_path)
    _run(tmp_path, "split.seed=1", "--seeds", "0")
    assert "- seeds: 0 (of the model)\n" in _page(tmp_path)


def test_the_header_of_what_trains_nothing(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path, "--seeds", "0")
    for path in (tmp_path / "out").rglob("config.yaml"):
        config = yaml.safe_load(path.read_text())
        config["model"]["weights"] = {}
        path.write_text(yaml.safe_dump(config))
    _run(tmp_path, "--seeds", "0")
    assert "- selection: none, as nothing is trained\n" in _page(tmp_path)


def test_a_second_look_at_the_test_set_is_told(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path, "--seeds", "1")
    assert "- test: evaluated once per run, after training\n" in _page(tmp_path)
    path = min((tmp_path / "out").rglob("metrics.json"))
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "test_evaluations": 2}))
    _run(tmp_path, "--seeds", "1")
    assert "after training; 1 of 6 runs more often\n" in _page(tmp_path)


@pytest.mark.parametrize(
    ("more", "title"),
    [
        ([], "A toy"),
        (["data=toy", "fit.max_epochs=7", "w=0.5"], "A toy"),
        (["data.path=here", "--splits", "random"], "A toy"),
        (["DATA=own"], "Preset toy with data=own"),
        (
            ["fit.max_epochs=1", "w=0.5", "+data.only=[A]"],
            "Preset toy with fit.max_epochs=1 +data.only=[A]",
        ),
        (["--splits", "random,user_time"], "Preset toy with split=user_time"),
    ],
)
def test_the_title_names_no_data_or_setting_that_the_command_changes(
    fake: FakeJobs, tmp_path: Path, more: list[str], title: str
) -> None:
    assert _run(tmp_path, "--seeds", "0", *more) == 0
    assert _page(tmp_path).startswith(f"# {title}\n")


def test_no_preset_keeps_its_title_on_other_data() -> None:
    names = [path.stem for path in preset.preset_folder().glob("*.yaml")]
    kept = [name for name in names if name not in ("pair", "paper")]  # of studies
    assert "baby" in kept
    for name in kept:
        changed = Preset.read(name).changed(["data=synthetic"], None)
        assert changed.title == f"Preset {name} with data=synthetic"


def test_interrupted_it_continues(fake: FakeJobs, tmp_path: Path) -> None:
    fake.fail = {"ours 0 new_nodes 0": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path)
    first = list(fake.trained)
    assert len(first) == 4
    fake.fail = {}
    assert _run(tmp_path) == 0
    assert fake.trained[:4] == first
    assert len(fake.trained) == len({*fake.trained}) == 12


def test_other_runs_in_the_folder_stay_out(fake: FakeJobs, tmp_path: Path) -> None:
    _run(tmp_path, "--seeds", "7")
    _run(tmp_path)
    assert "- seeds: 0, 1 (" in _page(tmp_path)


def test_a_failed_run_is_reported_and_the_others_finish(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.fail = {"ours random 1": RuntimeError("out of\nmemory")}
    assert _run(tmp_path) == 1
    said = capsys.readouterr().err.strip().splitlines()[-2:]
    assert said[0].endswith("Ours, split=random, seed 1: RuntimeError: out of memory")
    assert said[1].startswith("  alone: micrec train data=toy fit.max_epochs=7 ")
    assert "- runs: 11 of 12 done" in _page(tmp_path)
    ours = next(x for x in _page(tmp_path).splitlines() if x.startswith("| Ours |"))
    assert ours.endswith("**0.2050** | 1 |")  # seed 0 alone: (0.40 + 0.42) / 2 / 2


def test_a_refused_first_run_ends_it(fake: FakeJobs, tmp_path: Path) -> None:
    fake.fail = {"ours random 0": InputError("no data")}
    with pytest.raises(InputError, match="no data"):
        _run(tmp_path)
    assert fake.asked == 1


def test_progress_lines_name_what_is_left(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path)
    lines = [x for x in capsys.readouterr().err.splitlines() if " of 12 done" in x]
    # every run says that it took 5 s, as one that was done before: 11 are left
    assert lines[0] == "1 of 12 done, at most 55 s left (Ours, split=random, seed 0)"
    assert lines[-1].startswith("12 of 12 done, at most 0 s left")


def test_estimate_by_label() -> None:
    estimate = TimeLeft(["slow", "fast", "slow", "new"], workers=2)
    assert estimate.left_s() == 0  # nothing is known yet
    estimate.seconds["slow"] += [10.0, 14.0]
    estimate.seconds["fast"] += [2.0]
    estimate.waiting.remove("slow")
    # slow 12, fast 2, and new as their mean, on two workers
    assert estimate.left_s() == pytest.approx((12 + 2 + (12 + 2) / 2) / 2)


def test_the_time_left_is_a_bound_where_runs_were_only_opened(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    estimate = TimeLeft(["a"] * 3, workers=2)
    clock[0] += 20  # both workers took 20 s
    estimate.seconds["a"] += [19.0, 20.0]
    del estimate.waiting[:2]
    assert estimate.left() == "about 10 s left"
    estimate.seconds["a"] += [120.0]  # of a run that was there
    assert estimate.left() == "at most 26 s left"


def test_dry_run_lists_the_runs_of_the_quick_preset(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert main(["--dry-run", "--output-dir", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len({*lines}) == 9 * 3 * 3
    assert not out.exists()
    assert "MICRec w/o MM (K=0), split=new_nodes, seed 2: micrec train" in "\n".join(
        lines
    )


def test_own_settings_win_over_the_preset_and_rows_over_them(fake: FakeJobs) -> None:
    todo = Preset.read("toy").jobs(
        seeds=[3], extra=["fit.max_epochs=1", "K=9"], output_dir="o"
    )
    assert todo[1].overrides == (
        *("data=toy", "fit.max_epochs=1", "K=0", "split=random", "model=ours"),
        *("seed=3", "output_dir=o"),
    )
    assert "K=9" in todo[0].overrides


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["seed=5"], "'seed=5' was given; give key=value with any key but"),
        (["model=inmo"], "'model=inmo' was given"),
        (["quick"], "'quick' was given"),
        (["preset=slow"], "no preset 'slow'; give one of toy"),
        (["--jobs", "-1"], "give a number such as 2"),
        (["--jobs", "0"], "give a number such as 2"),
        (["--jobs=two"], "--jobs two was given"),
        (["seeds=1,x"], "--seeds 1,x was given"),
        (["--seeds", "1,1"], "--seeds 1,1 was given"),
        (["--splits", "random,nope"], "--splits nope: give any of files, global_time"),
        (["seeds="], "--seeds  was given"),
        (["--studies", "main"], "--studies main: the preset toy is one study"),
        (["--trials", "3"], "--trials 3: the preset toy searches nothing"),
    ],
)
def test_refused(
    fake: FakeJobs, tmp_path: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        _run(tmp_path, *arguments)
    assert fake.asked == 0


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "--preset" in capsys.readouterr().out


@pytest.mark.fuzz  # slow
def test_worker_processes_have_one_thread_and_hand_errors_back(
    tmp_path: Path,
) -> None:
    """Real processes; what they run is refused when the configuration is read."""
    broken = [Job("a", f"a{n}", ("model=nothing",)) for n in range(2)]
    with pool.worker_pool(2) as workers:
        assert workers is not None
        import torch

        assert workers.submit(torch.get_num_threads).result() == 1
        for _, future in pool._finished(broken, workers, pool.run):
            assert isinstance(future.exception(), InputError)


class _MortalPool(ProcessPoolExecutor):
    """Runs jobs at once; of those that kill their process, this and all later fail."""

    def __init__(self, kills: dict[str, int]) -> None:
        super().__init__(1)
        self._kills, self._killed = kills, False

    def submit(self, work: Any, job: Any) -> Any:  # type: ignore[override]
        future: Future[pool.Result] = Future()
        if self._kills.get(job.name, 0):
            self._kills[job.name] -= 1
            self._killed = True
        if self._killed:
            future.set_exception(BrokenProcessPool("a process was terminated"))
        else:
            future.set_result(work(job))
        return future


def test_a_killed_process_loses_no_run_and_one_that_always_dies_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kills = {"b": 1, "d": 99}
    monkeypatch.setattr(pool, "worker_pool", lambda _: _MortalPool(kills))
    jobs = [Job("toy", name, (name,)) for name in "abcdef"]
    done = pool.run_all(jobs, 2, work=lambda job: (Path(job.name), 1.0))
    assert {job.name for job in done.folders} == set("abcef")
    (error,) = done.errors.values()
    assert [job.name for job in done.errors] == ["d"]
    assert "killed, perhaps for want of memory" in str(error)
    assert "5 runs begin again; a smaller --jobs takes less memory" in caplog.text


def _deadly(job: Job) -> pool.Result:
    """Kill the worker process of the last job; in the parent say so instead."""
    if job.name == "last":
        if multiprocessing.parent_process() is None:
            raise AssertionError("it runs in the parent")
        os.kill(os.getpid(), signal.SIGKILL)
    return Path(job.name), 1.0


@pytest.mark.fuzz  # slow: real processes
def test_what_kills_its_process_is_never_tried_in_the_parent() -> None:
    jobs = [Job("toy", name, (name,)) for name in ("first", "second", "last")]
    done = pool.run_all(jobs, 2, work=_deadly)
    assert {job.name for job in done.folders} == {"first", "second"}
    (error,) = done.errors.values()
    assert "the process of last was killed" in str(error)


def test_splits_without_a_panel_have_tables_and_no_picture(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, "--splits", "user_time") == 0
    assert "split user_time" in _page(tmp_path)
    assert not (tmp_path / "out" / "reproduce-toy.svg").exists()
    assert "not drawn: " in capsys.readouterr().err


def test_a_check_against_an_earlier_table(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path) == 0
    made = pl.read_csv(tmp_path / "out" / "reproduce-toy.csv")
    for name, shift, code, said in (
        ("same", 0.0, 0, f"{len(made)} cells compared, 0 differ"),
        ("other", 0.1, 1, "0.3600 before, 0.4600 here"),
    ):
        table = tmp_path / f"{name}.csv"
        made.with_columns(pl.col("mean") - shift).write_csv(table)
        assert _run(tmp_path, "--check", str(table)) == code
        assert said in capsys.readouterr().out
