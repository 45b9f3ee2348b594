"""A preset that searches the settings of its rows before it trains and tests them."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest
import yaml

from micrec_pyg.cli import overrides, picking, tune_trials
from micrec_pyg.cli.config import composed
from micrec_pyg.cli.pool import Job, Outcome
from micrec_pyg.cli.tuned import as_experiment
from micrec_pyg.schema import InputError

TOY = """
title: A toy
tuning: two trials
seeds: [0, 1]
overrides: []
splits: [split=random]
trials: 2
rows:
  - {label: Popular, overrides: [model=popularity], tune: false}
  - {label: ItemKNN, overrides: [model=item_knn]}
metrics: [recall@20]
groups: []
"""


@pytest.fixture
def toy(toy_preset: Callable[[str], None]) -> None:
    toy_preset(TOY)


@pytest.mark.fuzz
def test_rows_are_searched_then_trained_with_what_was_found(
    toy, micrec, small, tmp_path, monkeypatch, capsys
) -> None:
    given = [each for each in small if not each.startswith("output_dir=")]
    argv = ["reproduce", "--preset", "toy", "--jobs", "1", *given]
    argv += ["--output-dir", f"{tmp_path}/outputs"]
    assert micrec(*argv) == 0
    (found,) = pl.read_csv(tmp_path / "outputs/reproduce-toy-tuned.csv").to_dicts()
    assert (found["model"], found["split"], found["trials"]) == ("ItemKNN", "random", 2)
    wanted = dict(each.split("=") for each in found["settings"].split())
    names = ("k", "shrink", "weighting", "similarity", "score")
    assert wanted.keys() == {f"model.net.{name}" for name in names}
    tested = []
    for path in (tmp_path / "outputs").rglob("metrics.json"):
        config = yaml.safe_load((path.parent / "config.yaml").read_text())
        if '"test"' in path.read_text() and config["model"]["name"] == "item_knn":
            tested.append((config["seed"], config["model"]["net"]))
    # the test set of the other trial stays sealed
    assert sorted(seed for seed, _ in tested) == [0, 1]
    for _, net in tested:
        for name in names:
            assert str(net[name]) == wanted[f"model.net.{name}"]
    monkeypatch.setattr(tune_trials, "_value", None)  # a repetition has no trial
    assert micrec(*argv) == 0
    assert "| ItemKNN |" in capsys.readouterr().out


@pytest.mark.fuzz
def test_a_row_whose_search_failed_has_no_runs(
    toy, micrec, small, tmp_path, monkeypatch, capsys
) -> None:
    def broken(*_: object) -> float:
        raise ValueError("a trial that breaks")

    works = tune_trials._value
    monkeypatch.setattr(tune_trials, "_value", broken)
    given = [each for each in small if not each.startswith("output_dir=")]
    argv = ["reproduce", "--preset", "toy", "--jobs", "1", *given]
    assert micrec(*argv, "--output-dir", f"{tmp_path}/outputs") == 1
    said = capsys.readouterr()
    assert "| Popular |" in said.out
    assert "| ItemKNN |" not in said.out
    assert "failed: ItemKNN, split=random, seed 0: ValueError: a trial" in said.err
    # the command that it names goes on with this very search
    (hint,) = [x for x in said.err.splitlines() if x.startswith("  alone: ")]
    command = shlex.split(hint)[1:]
    assert command[:2] == ["micrec", "tune"]
    monkeypatch.setattr(tune_trials, "_value", works)
    (study,) = (tmp_path / "outputs" / "tune").iterdir()
    assert micrec(*command[1:]) == 0
    assert [*study.parent.iterdir()] == [study]
    assert json.loads((study / "best.json").read_text())["trials"] >= 2


def test_picking_tests_every_complete_trial_once(
    toy, micrec, small, tmp_path, monkeypatch, capsys
) -> None:
    given = [each for each in small if not each.startswith("output_dir=")]
    argv = ["reproduce", "--preset", "toy", "--jobs", "1", *given, "--picking"]
    argv += ["--output-dir", f"{tmp_path}/outputs"]
    assert micrec(*argv) == 0
    assert "opened for every trial for this study alone" in capsys.readouterr().out
    out = tmp_path / "outputs"
    row, mean = pl.read_csv(out / "reproduce-toy-picking.csv").to_dicts()
    (trials,) = (out / "tune").glob("*/trials.csv")
    table = pl.read_csv(trials)
    tests, vals = [], []
    for run in table["run"].unique(maintain_order=True):
        metrics = json.loads((out / run / "metrics.json").read_text())
        # once, and never again
        assert metrics["test_evaluations"] == 1
        tests.append(_mean(metrics["test"]))
        vals.append(_mean(metrics["val"]))
    assert (row["model"], row["split"], row["group"]) == ("ItemKNN", "random", "all")
    assert (row["complete"], row["pruned"], row["failed"]) == (2, 0, 0)
    assert row["different"] == len(tests)
    assert row["picked"] == pytest.approx(tests[vals.index(max(vals))])
    assert row["best"] == pytest.approx(max(tests))
    assert mean["best"] == row["best"]
    assert (out / "reproduce-toy-picking.svg").is_file()
    # the preset's own runs are another command's
    assert not (out / "reproduce-toy.md").exists()

    def found(searches: dict[tuple[str, str], Job], **_: object) -> object:
        return {}, Outcome(folders=dict.fromkeys(searches.values(), trials.parent))

    # that a finished search is only read, the test above has shown
    monkeypatch.setattr(picking, "search_all", found)
    before = sorted(path.stat().st_mtime_ns for path in out.rglob("metrics.json"))
    assert micrec(*argv) == 0
    again = sorted(path.stat().st_mtime_ns for path in out.rglob("metrics.json"))
    assert again == before
    table_before = (out / "reproduce-toy-picking.csv").read_text()
    shutil.rmtree(out / table["run"][0])
    assert micrec(*argv) == 0
    assert "is gone: its trial is trained again" in capsys.readouterr().err
    assert (out / "reproduce-toy-picking.csv").read_text() == table_before

    def broken(*_: object, **__: object) -> None:
        raise ValueError("a test that breaks")

    monkeypatch.setattr(picking, "evaluate_trials", broken)
    assert micrec(*argv) == 1
    said = capsys.readouterr().err
    assert f"a test that breaks\n  again: {shlex.join(['micrec', *argv])}\n" in said


def _mean(part: dict[str, dict[str, dict[str, float]]]) -> float:
    return fmean(groups["all"]["ndcg@20"] for groups in part.values())


def test_trials_that_did_not_end_are_left_out_and_counted(tmp_path) -> None:
    folder = tmp_path / "tune" / "x"
    folder.mkdir(parents=True)
    lines = ["trial,state,ndcg@20,seconds,k,run", "0,complete,0.1,1,5,m/a"]
    lines += ["1,pruned,,1,6,", "2,fail,,1,7,", "3,complete,0.1,1,5,m/a"]
    (folder / "trials.csv").write_text("\n".join(lines))
    assert picking._counts(("A", "split=s"), folder) == {
        "model": "A",
        "split": "s",
        "complete": 2,
        "pruned": 1,
        "failed": 1,
    }
    assert picking._complete(folder)["run"].to_list() == [f"{tmp_path}/m/a"]


def test_searches_that_were_not_tested_are_named() -> None:
    one, two = Job("A", "A", ()), Job("B", "B", ())
    searches = {("A", "split=x"): one, ("B", "split=y"): two}
    found = picking._share(searches, Outcome(folders={one: Path("tune/a")}))
    assert found == {"searches": "1 of 2 tested", "not tested": "B (y)"}
    both = Outcome(folders=dict.fromkeys((one, two), Path("tune/a")))
    assert picking._share(searches, both) == {"searches": "2 of 2 tested"}


def test_a_trial_that_cannot_be_trained_as_it_was_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("micrec_pyg.cli.train.train_job", lambda _: Path("m/s0-b"))
    with pytest.raises(
        InputError, match="m/s0-a is gone, and trained again it is m/s0-b"
    ):
        picking._train_again(Job("A", "A", ()), ["K=1"], Path("m/s0-a"))


def test_a_run_is_found_under_the_name_of_another_version(tmp_path) -> None:
    folder = tmp_path / "tune" / "x"
    folder.mkdir(parents=True)
    for seed in (1, 0):  # the digits of both are the same
        (tmp_path / "m" / f"a{1 - seed}-s{seed}-1234abcd").mkdir(parents=True)
    lines = ["trial,state,ndcg@20,seconds,k,run", "0,complete,0.1,1,5,m/random-K3-s0-"]
    (folder / "trials.csv").write_text("\n".join(lines) + "1234abcd\n")
    found = picking._complete(folder)["run"].to_list()
    assert found == [f"{tmp_path}/m/a1-s0-1234abcd"]


@pytest.mark.parametrize("name", ["quick", "pair", "paper"])
def test_picking_needs_a_preset_that_searches(micrec, capsys, name: str) -> None:
    assert micrec("reproduce", "--preset", name, "--picking", "--dry-run") == 2
    assert f"the preset {name} searches no settings" in capsys.readouterr().err


def test_the_search_is_a_command_in_a_dry_run(toy, micrec, small, capsys) -> None:
    assert micrec("reproduce", "--preset", "toy", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ItemKNN, split=random, seed 0: micrec tune ")
    assert lines[0].endswith("--trials 2")
    assert len(lines) == 1 + 4


def test_what_was_found_is_kept_as_an_experiment(small) -> None:
    overrides = ["data=movielens", "model=inmo", "split=new_nodes", "K=0", "seed=3"]
    overrides += ["fit.lr=1e-05", "model.net.dropout=0.1", "output_dir=there"]
    text = as_experiment(overrides, "found by nobody")
    assert text.splitlines()[:2] == ["# @package _global_", "# found by nobody"]
    assert yaml.safe_load(text) == {
        "defaults": [
            {"override /data": "movielens"},
            {"override /model": "inmo"},
            {"override /split": "new_nodes"},
            "_self_",
        ],
        "K": 0,
        "fit": {"lr": 0.00001},
        "model": {"net": {"dropout": 0.1}},
    }


def test_what_was_found_on_an_experiment_is_the_command_that_was_best(
    own_conf, monkeypatch
) -> None:
    monkeypatch.setattr(overrides, "conf_dir", lambda: own_conf)
    best = ["experiment=movielens/micrec", "split=new_nodes", "loss=ssm"]
    best += ["model=lightgcn_neighbors", "fit.lr=0.02", "K=5"]
    for name in ("tuned", "shop/tuned"):
        path = own_conf / "experiment" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(as_experiment(best, "found by nobody"))
        found = composed([f"experiment={name}"])
        assert found == composed(best)
        assert found["model"]["net"]["num_layers"] == 2  # of the experiment, not 3
    assert "experiment" not in as_experiment(["experiment=null", "K=5"], "nothing")


def test_an_experiment_sets_what_it_says_and_more_may_be_given() -> None:
    asked = ["experiment=movielens/micrec", "seed=2"]
    found, plain = composed(asked), composed(["seed=2"])
    assert found["fit"]["lr"] == 0.01
    assert found["model"]["net"]["num_layers"] == 2
    found["fit"]["lr"] = plain["fit"]["lr"]
    found["model"]["net"]["num_layers"] = plain["model"]["net"]["num_layers"]
    assert found == plain
