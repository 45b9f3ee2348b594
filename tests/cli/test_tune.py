"""A search over settings: repeatable, resumable, judged by validation alone."""

import json
import math
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import optuna
import polars as pl
import pytest
import yaml

from micrec_pyg.cli import sweep_jobs, train, tune_study, tune_trials
from micrec_pyg.cli.config import composed
from micrec_pyg.cli.studies import facts
from micrec_pyg.cli.sweep_jobs import selection
from micrec_pyg.cli.tune import plan_of
from micrec_pyg.cli.tune_space import Choice, check_space, ends, given_values, told
from micrec_pyg.cli.tune_trials import Plan
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.files import read_json
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

SPACE = """fit.lr: {low: 0.001, high: 0.1, log: true}
model.net.num_layers: {choices: [0, 1]}
"""
SPACES = sorted(path.stem for path in (conf_dir() / "tune").glob("*.yaml"))


def _write_metrics(folder: Path, *, digest: str = "abc", group: str = "all") -> None:
    """Write what a search reads of a run beside the value of its metric."""
    content = {"data": {"d0": digest}, "val": {"d0": {group: {}}}}
    (folder / "metrics.json").write_text(json.dumps(content))


@pytest.fixture
def search(micrec, small, tmp_path, monkeypatch):
    """Return a function that runs a search and gives the rows of its trials."""
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)

    def run(trials: int, *more: str, output: str = "outputs") -> pl.DataFrame:
        given = [*small, f"output_dir={tmp_path}/{output}", "model=lightgcn", *more]
        argv = ["tune", *given, "--trials", str(trials), "--space", str(space)]
        assert micrec(*argv) == 0
        (table,) = (tmp_path / output / "tune").glob("*/trials.csv")
        return pl.read_csv(table)

    return run


def test_a_search_continues_and_is_repeatable(search, capsys, tmp_path) -> None:
    assert search(1).height == 1
    table = search(3)
    assert table.height == 3
    assert table["state"].to_list() == ["complete"] * 3
    assert search(3).equals(table)  # nothing is left to do
    other = search(1, output="other")
    settings = ["fit.lr", "model.net.num_layers"]
    assert other.select(settings).equals(table.head(1).select(settings))
    best = table.sort("ndcg@20", descending=True).row(0, named=True)
    said = capsys.readouterr().out
    assert f"fit.lr={best['fit.lr']} model.net.num_layers=" in said
    runs = sorted(p.parent for p in (tmp_path / "outputs").rglob("metrics.json"))
    values = sorted(selection(run, "ndcg@20") for run in runs)
    assert values == pytest.approx(sorted(table["ndcg@20"]), abs=1e-9)
    for run in runs:
        assert '"test"' not in (run / "metrics.json").read_text()


def test_the_first_trial_takes_the_settings_as_they_are(search, capsys) -> None:
    table = search(1, "fit.lr=0.01", "model.net.num_layers=1")
    row = table.row(0, named=True)
    assert (row["fit.lr"], row["model.net.num_layers"]) == (0.01, 1)
    assert capsys.readouterr().out.count("fit.lr=") == 1


def test_values_outside_of_a_space_are_drawn() -> None:
    space = {"K": {"choices": [1, 3]}, "fit.lr": {"low": 0.1, "high": 1.0}}
    settings = {"K": 2, "fit": {"lr": 0.1}}
    assert given_values(space, settings) == {"fit.lr": 0.1}
    assert given_values(space, {"K": 3}) == {"K": 3}


def test_a_text_of_a_space_may_stand_for_a_list_or_null() -> None:
    choices = ["[500]", "[800,400]", "null"]
    for value, text in zip([[500], [800, 400], None], choices, strict=True):
        space = {"net.hidden": {"choices": choices}, "net.name": {"choices": ["a"]}}
        settings = {"net": {"hidden": value, "name": "a"}}
        found = given_values(space, settings)
        assert found == {"net.hidden": text, "net.name": "a"}


@pytest.mark.parametrize("name", SPACES)
def test_the_first_trial_of_a_space_draws_nothing(name: str) -> None:
    space = check_space(read_yaml(conf_dir() / "tune" / f"{name}.yaml"))
    assert set(given_values(space, composed([f"model={name}"]))) == set(space)


def test_the_best_command_trains(search, micrec, tmp_path, capsys) -> None:
    search(1)
    (best,) = (tmp_path / "outputs" / "tune").glob("*/best.txt")
    command = best.read_text().split()
    assert command[:2] == ["micrec", "train"]
    capsys.readouterr()
    assert micrec(*command[1:]) == 0
    assert "is complete and not trained again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"fit.lr": {"low": 1}}, "fit.lr: give {choices"),
        (
            {"fit.lr": 3},
            "fit.lr: give {choices: [...]}, or {low: ..., high: ..., log: true}",
        ),
        ({"K": {"choices": []}}, "K: choices is a list"),
        ({"K": {"low": 3, "high": 1}}, "K: low and high"),
        ({"K": {"low": 0, "high": 1, "log": True}}, "K: low and high"),
        ({"K": {"low": 0, "high": 1.5}}, "K: low and high"),
        ({"K": {"low": "a", "high": "b"}}, "K: low and high"),
        ({"K": {"low": 0.1, "high": math.inf}}, "K: low and high"),
        ({"K": {"low": 1, "high": 10**26}}, "K: low and high"),
        ({"K": {"low": True, "high": False}}, "K: low and high"),
        ({"K": {"low": 1, "high": 2, "log": 3}}, "K: log is true or false"),
        ({"K": {"choices": [[1], [2]]}}, "K: choices is a list of different"),
        ({"K": {"choices": [{"a": 1}]}}, "K: choices is a list of different"),
        ({"K": {"choices": [date(2024, 1, 1)]}}, "K: choices is a list of different"),
        ({"K": {"choices": [1, True]}}, "K: choices is a list of different"),
        ({3: {"choices": [1]}}, "search space, 3: give the name of a setting"),
        ({None: {"choices": [1]}}, "search space, None: give the name of a setting"),
        ({"seed": {"choices": [0, 1]}}, "search space, seed: trials are compared by"),
        ({"pair": {"choices": ["a"]}}, "search space, pair: trials are compared by"),
        ({"experiment": {"choices": ["a"]}}, "search space, experiment: trials are"),
        ({"data.min_rating": {"choices": [3, 4]}}, "space, data.min_rating: trials"),
    ],
)
def test_an_impossible_space_is_refused(space, said) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        check_space(space)
    assert str(refused.value).count("{") == str(refused.value).count("}")


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("fit.lrr: {choices: [0.1]}", "unknown key 'fit.lrr'"),
        ("fit.lr: {choices: [0.1, abc]}", "fit.lr=abc: give a number"),
        ("model.net.num_layers: {low: -1, high: 2}", "model.net.num_layers=-1: give"),
        ("features: {choices: [none, nope]}", "unknown option features=nope"),
        ("'': {choices: [1]}", "=1 cannot be read"),
    ],
)
def test_a_wrong_end_of_a_space_is_refused_before_any_trial(
    micrec, small, tmp_path, capsys, space, said
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(space)
    assert micrec("tune", *small, "model=lightgcn", "--space", path) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("space", "model", "idle"),
    [
        ("K: {low: 0, high: 3}", "inmo", "K"),
        ("{K: {low: 0, high: 3}, w: {choices: [0.5]}}", "inmo", "K, w"),
        # some trials have neighbours, and these read w
        ("{K: {low: 0, high: 3}, w: {choices: [0.5]}}", "micrec", ""),
    ],
)
def test_a_searched_key_that_no_trial_reads_is_told_before_the_first(
    small, tmp_path, caplog, space: str, model: str, idle: str
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(space)
    plan_of([*small, f"model={model}"], trials=1, seed=0, space=str(path))
    said = [text for text in caplog.messages if text.startswith("without effect")]
    assert said == ([f"without effect in this search: {idle}"] if idle else [])


def test_null_is_a_choice() -> None:
    space = check_space({"fit.schedule.decay": {"choices": [None, 3]}})
    assert ends(space) == [["fit.schedule.decay=null"], ["fit.schedule.decay=3"]]


@pytest.mark.fuzz
def test_a_damaged_search_is_refused_by_name(
    search, tmp_path, capsys, monkeypatch
) -> None:
    _write_metrics(tmp_path)
    monkeypatch.setattr(train, "train_job", lambda *_, **__: tmp_path)
    monkeypatch.setattr(sweep_jobs, "selection", lambda *_: 0.5)
    search(1)
    (study,) = (tmp_path / "outputs" / "tune").glob("*/study.db")
    content = study.read_bytes()
    manifest = study.with_name("manifest.json")
    sealed = manifest.read_bytes()
    flipped = content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
    for damage, is_sealed in ((flipped, True), (b"no database", False)):
        study.write_bytes(damage)
        manifest.unlink(missing_ok=True)
        if is_sealed:
            manifest.write_bytes(sealed)
        with pytest.raises(AssertionError):
            search(1)
        said = capsys.readouterr().err
        assert str(study) in said
        assert "search again; trained runs are kept" in said
        assert "unexpected" not in said


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5"])
def test_a_seed_that_no_search_takes_is_refused(micrec, small, seed, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        micrec("tune", *small, "model=lightgcn", "--seed", seed)
    assert ended.value.code == 2
    assert "give a whole number of 0 or more" in capsys.readouterr().err


def test_a_model_without_a_space_lists_those_with_one(micrec, small, capsys) -> None:
    assert micrec("tune", *small, "model=popularity") == 2
    said = capsys.readouterr().err
    assert "no search space" in said
    assert all(name in said for name in SPACES)


def test_every_model_with_a_setting_has_a_space() -> None:
    models = {path.stem for path in (conf_dir() / "model").glob("*.yaml")}
    assert models - set(SPACES) == {"popularity"}


def ends_of(path: Path) -> list[str]:
    """Return the overrides of the upper end of a space."""
    space = check_space(yaml.safe_load(path.read_text()))
    return [
        f"{k}={c['choices'][-1] if 'choices' in c else c['high']}"
        for k, c in space.items()
    ]


@pytest.mark.parametrize("name", SPACES)
def test_every_space_is_of_its_model(name: str) -> None:
    given = ends_of(conf_dir() / "tune" / f"{name}.yaml")
    settings = composed([f"model={name}", "data=synthetic", *given])
    assert settings["model"]["name"] == name


@pytest.mark.fuzz
def test_a_loss_adds_what_is_searched_of_it(micrec, small, monkeypatch) -> None:
    of_loss = ends_of(conf_dir() / "tune" / "loss" / "ssm.yaml")
    composed(["model=bpr_mf", "data=synthetic", "loss=ssm", *of_loss])

    def look(plan, jobs):
        found.update(plan.space)
        raise InputError("seen")

    monkeypatch.setattr(tune_study, "run_plan", look)
    # the second model has a loss of its own
    for model, takes_it in (("bpr_mf", True), ("alpharec", False)):
        found: dict[str, object] = {}
        assert micrec("tune", *small, f"model={model}", "loss=ssm") == 2
        assert "fit.lr" in found
        assert ("loss.temperature" in found) == takes_it


@pytest.fixture
def quick(micrec, small, tmp_path, monkeypatch):
    """Return a function that makes the search of ``search`` without any training."""
    _write_metrics(tmp_path)
    monkeypatch.setattr(train, "train_job", lambda *_, **__: tmp_path)
    monkeypatch.setattr(sweep_jobs, "selection", lambda *_: 0.5)
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)

    def run(trials: int, *more: str) -> Path:
        given = [*small, "model=lightgcn", *more]
        given += ["--trials", str(trials), "--space", space]
        assert micrec("tune", *given) == 0
        (study,) = (tmp_path / "outputs" / "tune").glob("*/study.db")
        return study

    return run


@pytest.mark.fuzz
def test_a_trial_that_was_killed_is_not_counted_but_tried_again(quick, capsys) -> None:
    path = quick(1)
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{path}")
    killed = study.ask()
    killed.suggest_float("fit.lr", 0.001, 0.1, log=True)
    (path.parent / "manifest.json").unlink()  # as where the first call was killed
    capsys.readouterr()
    quick(3)
    said = capsys.readouterr()
    assert "trial 1 was interrupted and is not counted" in said.err
    assert "is not checked" not in said.err
    assert "3 trials: 3 complete;" in said.out
    table = pl.read_csv(path.with_name("trials.csv"))
    assert table["trial"].to_list() == [0, 2, 3]
    assert table["fit.lr"][1] == pytest.approx(killed.params["fit.lr"])
    assert read_json(path.with_name("best.json"))["trials"] == 3
    assert "# 3 trials" in path.with_name("best.yaml").read_text()


def test_a_trial_that_was_interrupted_is_tried_again(
    quick, monkeypatch, capsys
) -> None:
    def interrupted(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train, "train_job", interrupted)
        with pytest.raises(AssertionError, match="130 == 0"):
            quick(1)
    table = pl.read_csv(quick(2).with_name("trials.csv"))
    assert "trial 0 was interrupted and is not counted" in capsys.readouterr().err
    assert table["trial"].to_list() == [1, 2]
    assert table["fit.lr"][0] == 0.005  # as the settings are given


def test_a_trial_is_asked_for_by_one_process_at_a_time(quick, monkeypatch) -> None:
    held = []
    ask = optuna.Study.ask

    def asked(study: optuna.Study) -> optuna.Trial:
        held.append([p.parent.name for p in Path().rglob("asked/.lock")])
        return ask(study)

    monkeypatch.setattr(optuna.Study, "ask", asked)
    monkeypatch.chdir(quick(1).parents[2])
    quick(2)
    assert held[1:] == [["asked"]]


def test_a_line_per_trial_says_how_many_are_left(quick, capsys) -> None:
    quick(2)
    told = capsys.readouterr().err.splitlines()
    assert (
        "the first trial draws, too, what the settings have outside of the space: "
        "model.net.num_layers"
    ) in told
    lines = [line for line in told if line.startswith("trial ")]
    pattern = (
        r"trial {} complete in \d+ s: fit.lr=0.\d{{1,6}} model.net.num_layers=\d: "
        r"ndcg@20 0.5000, {} of 2 left"
    )
    for number, line in enumerate(lines):
        assert re.fullmatch(pattern.format(number, 1 - number), line)
    assert len(lines) == 2


def test_a_trial_that_diverges_uses_its_share(quick, monkeypatch, tmp_path) -> None:
    ends = iter([True, False, True])

    def train_one(*_: object, **__: object) -> Path:
        if not next(ends):
            raise FloatingPointError("the loss is no number")
        return tmp_path

    monkeypatch.setattr(train, "train_job", train_one)
    table = pl.read_csv(quick(3).with_name("trials.csv"))
    assert table["state"].to_list() == ["complete", "fail", "complete"]


@pytest.fixture
def slow_fifth(monkeypatch, tmp_path) -> list[int]:
    """Return the last epoch of each trial; from the fifth on they learn nothing."""
    epochs: list[int] = []

    def train_one(*_: object, on_epoch: Callable[[object], None]) -> Path:
        epochs.append(0)
        for epoch in range(1, 21):
            epochs[-1] = epoch
            value = 0.5 if len(epochs) < 5 else 0.1
            on_epoch({"epoch": epoch, "val": {"d0": {"ndcg@20": value}}})
        return tmp_path

    monkeypatch.setattr(train, "train_job", train_one)
    return epochs


def test_no_trial_is_ended_in_the_first_half(quick, slow_fifth) -> None:
    table = pl.read_csv(quick(5, "fit.max_epochs=20").with_name("trials.csv"))
    assert table["state"].to_list() == ["complete"] * 4 + ["pruned"]
    assert slow_fifth == [20, 20, 20, 20, 10]


def test_a_trial_that_was_ended_too_early_is_tried_again(
    quick, slow_fifth, monkeypatch, capsys
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(tune_trials, "SHARE", 0.1)
        before = pl.read_csv(quick(6, "fit.max_epochs=20").with_name("trials.csv"))
    assert slow_fifth[4:] == [2, 2]
    capsys.readouterr()
    after = pl.read_csv(quick(6, "fit.max_epochs=20").with_name("trials.csv"))
    assert (
        "ended before epoch 10: 2; their settings are tried" in capsys.readouterr().err
    )
    assert slow_fifth[4:] == [2, 2, 10, 10]
    assert after["trial"].to_list() == [0, 1, 2, 3, 6, 7]
    drawn = ["fit.lr", "model.net.num_layers"]
    assert after.select(drawn).equals(before.select(drawn))
    quick(6, "fit.max_epochs=20")  # once is enough
    assert len(slow_fifth) == 8


@pytest.mark.fuzz  # two processes that load torch
def test_trials_at_a_time_are_as_many_as_asked_for(search) -> None:
    assert search(3, "--jobs", "2").height == 3
    assert search(4, "--jobs", "3").height == 4


def test_one_trial_at_a_time_draws_from_one_sampler(quick) -> None:
    """As in every version: its seed counts the given settings, which are queued."""
    found = pl.read_csv(quick(3).with_name("trials.csv"))["fit.lr"]
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    study.enqueue_trial({"fit.lr": 0.005})  # the space has not the given num_layers
    expected = []
    for _ in range(3):
        trial = study.ask()
        expected.append(trial.suggest_float("fit.lr", 0.001, 0.1, log=True))
        trial.suggest_categorical("model.net.num_layers", [0, 1])
        study.tell(trial, 0.5)
    assert found.to_list() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"choices": [1, None, "a"]}, "1, null, a"),
        ({"low": 0.1, "high": 2.0}, "0.1 to 2.0"),
        (
            {"low": 0.1, "high": 2.0, "log": True},
            "0.1 to 2.0, drawn by its logarithm",
        ),
    ],
)
def test_what_may_be_drawn_is_told_in_words(choice: Choice, said: str) -> None:
    assert told(choice) == said


def test_a_wrong_value_of_a_searched_key_is_refused(micrec, small, capsys) -> None:
    assert micrec("tune", *small, "model=lightgcn", "fit.lr=abc") == 2
    assert "fit.lr=abc: give a number" in capsys.readouterr().err


def test_a_trial_may_take_days(tmp_path, monkeypatch) -> None:
    study = optuna.create_study(direction="maximize")
    trial = optuna.trial.create_trial(value=0.5, params={}, distributions={})
    trial.datetime_complete = trial.datetime_start + timedelta(days=2, seconds=5)
    study.add_trial(trial)
    plan = Plan(tmp_path, (), {}, "ndcg@20", 1, 0, "digest")
    (tmp_path / "study.db").touch()
    monkeypatch.setattr(tune_study, "study_of", lambda plan: study)
    assert tune_study.run_plan(plan, jobs=1).trials["seconds"].to_list() == [172805]


def test_the_table_of_trials_fits_a_terminal() -> None:
    keys = [f"model.net.long_name_{n}" for n in range(5)]
    head = ["trial", "ndcg@20", "seconds", *keys]
    lines = tune_study.lines_of([head, ["3", "0.2500", "12", *"abcde"]])
    parts = "\n".join(lines).split("\n\n")
    assert len(parts) > 1
    assert max(map(len, lines)) <= 80
    rows = [part.splitlines() for part in parts]
    assert all(top.split()[:2] == ["trial", "ndcg@20"] for top, _ in rows)
    found = [name for top, _ in rows for name in top.split()[2:]]
    assert found == ["seconds", *keys]
    assert [v for _, row in rows for v in row.split()[2:]] == ["12", *"abcde"]


def test_a_search_on_other_data_is_refused(quick, micrec, small, tmp_path, capsys):
    quick(1)
    _write_metrics(tmp_path, digest="changed")
    given = [*small, "model=lightgcn", "--trials", 2]
    assert micrec("tune", *given, "--space", tmp_path / "space.yaml") == 2
    assert "the data have changed since the first trial" in capsys.readouterr().err


def test_trials_of_unlike_groups_are_refused(
    quick, micrec, small, tmp_path, monkeypatch, capsys
) -> None:
    """One that answers nobody new has a higher value of an easier question."""
    groups = iter(["all", "old_user_old_item"])

    def train_one(*_: object, **__: object) -> Path:
        _write_metrics(tmp_path, group=next(groups))
        return tmp_path

    monkeypatch.setattr(train, "train_job", train_one)
    quick(1)
    given = [*small, "model=lightgcn", "--space", tmp_path / "space.yaml"]
    for trials in (3, 2):  # the second time nothing is trained
        assert micrec("tune", *given, "--trials", trials) == 2
        said = capsys.readouterr().err
        assert "ranked on the groups all and old_user_old_item, whose values" in said


def test_what_was_found_on_other_data_is_not_taken(
    quick, micrec, tmp_path, capsys
) -> None:
    # the search has all its trials, so none of them would see the change
    lines = tmp_path / "shop" / "books" / "interactions.tsv"
    lines.parent.mkdir(parents=True)
    lines.write_text("user\titem\nann\ta\nann\tb\nbob\ta\nbob\tc\n")
    settings = ["data=tables", f"data.path={tmp_path}/shop", "features=none"]
    settings += ["model=lightgcn", "rank.ks=[2]", "fit.metric=ndcg@2"]
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    given = [*settings, f"output_dir={tmp_path}/outputs", "--trials", 1]

    def ask() -> int:
        facts._read.cache_clear()  # every command is a process of its own
        return int(micrec("tune", *given, "--space", space))

    assert ask() == 0
    assert ask() == 0
    lines.write_text(lines.read_text() + "bob\tb\n")
    capsys.readouterr()
    assert ask() == 2
    assert "the data have changed since the first trial" in capsys.readouterr().err


def test_fewer_trials_than_there_are_use_the_first(quick, capsys) -> None:
    quick(3)
    path = quick(2)
    assert "2 trials: 2 complete" in capsys.readouterr().out
    assert read_json(path.with_name("best.json"))["trials"] == 2


def test_a_given_key_of_the_space_is_among_what_was_found(search, tmp_path) -> None:
    search(2, "fit.lr=0.01")
    (path,) = (tmp_path / "outputs" / "tune").glob("*/best.json")
    found = [each.split("=")[0] for each in read_json(path)["settings"]]
    assert found == ["fit.lr", "model.net.num_layers"]


def test_a_metric_of_another_cut_off_selects(search) -> None:
    assert search(1, "fit.metric=ndcg@5")["state"].to_list() == ["complete"]
