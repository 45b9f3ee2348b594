"""Searches that are taken from the table of an earlier command."""

import shutil
from collections.abc import Callable

import polars as pl
import pytest

from micrec_pyg.cli import overrides, preset, train, tune_trials, tuned
from micrec_pyg.cli.config import composed
from micrec_pyg.cli.pool import Job, Result
from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.tuned import file_names, search_all
from micrec_pyg.cli.tuned_table import (
    Known,
    Place,
    given_of,
    known_of,
    read_searches,
    write_searches,
)
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_json

TOY = """
title: A toy
tuning: a trial
seeds: [0]
overrides: []
splits: [split=random]
trials: 1
rows:
  - {label: Popular, overrides: [model=popularity], tune: false}
  - {label: EASE, overrides: [model=ease]}
  - {label: "ItemKNN+", overrides: [model=item_knn]}
metrics: [recall@20]
groups: []
"""
HEAD = "model,split,settings,trials,value,seconds,given\n"
SMALL = (
    "data=synthetic data.num_items=40 data.num_users=60 data.with_images=false "
    "features=none fit.max_epochs=2"
)
GIVEN = f"{SMALL} model=ease split=random"
EASE = f"EASE,random,model.net.ridge=300.0,2,0.5,7,{GIVEN}\n"


@pytest.fixture
def toy(toy_preset: Callable[[str], None]) -> None:
    toy_preset(TOY)


@pytest.fixture
def command(toy, micrec, small, tmp_path) -> Callable[..., int]:
    """Return a function that reproduces the toy into a folder."""
    given = [each for each in small if not each.startswith("output_dir=")]

    def run(folder: str, *more: object) -> int:
        argv = ["reproduce", "--preset", "toy", "--jobs", "1", *given, *more]
        return micrec(*argv, "--output-dir", tmp_path / folder)

    return run


def test_a_search_is_carried_by_its_table_and_kept_as_an_experiment(
    command, micrec, small, tmp_path, monkeypatch, capsys, own_conf
) -> None:
    assert command("first") == 0
    first = tmp_path / "first" / "reproduce-toy-tuned.csv"
    assert pl.read_csv(first)["model"].to_list() == ["EASE", "ItemKNN+"]
    page = (tmp_path / "first" / "reproduce-toy.csv").read_text()

    monkeypatch.setattr(tune_trials, "_value", None)  # no trial can be made
    assert command("again", "--tuned", first) == 0
    again = tmp_path / "again" / "reproduce-toy-tuned.csv"
    assert again.read_text() == first.read_text()
    assert (tmp_path / "again" / "reproduce-toy.csv").read_text() == page
    assert not (tmp_path / "again" / "tune").exists()
    said = f"{first}: 2 of 2 searches taken, 0 left to do\n"
    assert said in capsys.readouterr().err

    files = tmp_path / "again" / "experiment" / "toy"
    shutil.copytree(files, own_conf / "experiment" / "toy")
    for module in (overrides, train):
        monkeypatch.setattr(module, "conf_dir", lambda: own_conf)
    names = sorted(path.name for path in (files / "random").iterdir())
    assert names == ["ease.yaml", "itemknn_plus.yaml"]
    note = (files / "random" / "itemknn_plus.yaml").read_text().splitlines()[1]
    assert note.startswith("# 1 trials, seed 0 of the search: validation ndcg@20 0.")
    (row,) = pl.read_csv(first).filter(model="ItemKNN+").to_dicts()
    wanted = composed([*small, "model=item_knn", *row["settings"].split()])
    chosen = ["experiment=toy/random/itemknn_plus", *small]
    assert composed(chosen) == wanted
    capsys.readouterr()
    assert micrec("train", *chosen, "--cfg=job") == 0
    assert f"shrink: {wanted['model']['net']['shrink']}" in capsys.readouterr().out


def test_a_dry_run_has_the_searches_that_are_left_and_the_settings_that_are_known(
    command, tmp_path, capsys
) -> None:
    table = tmp_path / "known.csv"
    table.write_text(HEAD + EASE)
    assert command("out", "--tuned", table, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [(line.partition(",")[0], "micrec tune" in line) for line in lines]
    expected = [("ItemKNN+", True), ("Popular", False), ("EASE", False)]
    assert kinds == [*expected, ("ItemKNN+", False)]
    assert [" model.net.ridge=300.0 " in line for line in lines] == [0, 0, 1, 0]


@pytest.fixture
def searches(small) -> dict[Place, Job]:
    """Return two searches of two trials each, of models with one searched key."""
    return {
        (label, "split=random"): Job(
            label, label, (*small, "split=random", f"model={model}"), trials=2
        )
        for label, model in (("EASE", "ease"), ("Other", "ease"))
    }


@pytest.fixture
def searched(monkeypatch, tmp_path) -> list[str]:
    """Return the labels of what is searched, by a stand-in; none twice."""
    seen: list[str] = []

    def search(job: Job) -> Result:
        if job.label in seen:
            raise KeyboardInterrupt
        seen.append(job.label)
        facts = {"settings": ["model.net.ridge=5.0"], "trials": 2, "value": 0.25}
        write_json(tmp_path / job.label / "best.json", {**facts, "seconds": 3})
        return tmp_path / job.label, 3.0

    monkeypatch.setattr(tuned, "search", search)
    return seen


def test_the_table_has_what_was_taken_and_what_was_searched_in_order(
    searches, searched, tmp_path, caplog
) -> None:
    caplog.set_level("INFO")
    given, table = tmp_path / "given.csv", tmp_path / "table.csv"
    few = f"EASE,random,model.net.ridge=9.0,1,0.9,1,{GIVEN}\n"
    given.write_text(
        HEAD
        + "Gone,random,K=1,9,0.1,1,model=gone\n"
        + few
        + EASE.replace("EASE", "Other")
    )
    found, outcome = search_all(
        searches, workers=1, table=table, known=known_of(given, searches)
    )
    assert searched == ["EASE"]
    assert len(outcome.folders) == 1
    assert [*found] == [*read_searches(table)] == [*searches]
    assert [facts["trials"] for facts in found.values()] == [2, 2]
    assert found["EASE", "split=random"]["settings"] == ["model.net.ridge=5.0"]
    assert found["Other", "split=random"]["settings"] == ["model.net.ridge=300.0"]
    assert (
        f"{given}: 1 of 2 searches taken, 1 left to do; rows not used: 1 of fewer "
        "trials, 1 of other models or splits"
    ) in caplog.messages


def test_a_table_that_is_written_again_keeps_what_is_not_used(
    searches, searched, tmp_path
) -> None:
    table = tmp_path / "table.csv"
    gone, few = (
        "Gone,random,K=1,9,0.1,1,model=gone\n",
        f"Other,random,model.net.ridge=9.0,1,0.9,1,{GIVEN}\n",
    )
    table.write_text(HEAD + gone + few + EASE)
    searched.append("Other")
    with pytest.raises(KeyboardInterrupt):
        search_all(searches, workers=1, table=table, known=known_of(table, searches))
    assert table.read_text() == HEAD + EASE + few + gone


def test_without_a_table_the_one_that_is_there_keeps_its_other_rows(
    searches, searched, tmp_path
) -> None:
    table = tmp_path / "table.csv"
    gone, old = f"EASE,new_nodes,K=1,9,0.1,1,{GIVEN}\n", EASE.replace("300", "301")
    table.write_text(HEAD + gone + old)
    found, _ = search_all(searches, workers=1, table=table)
    assert searched == ["EASE", "Other"]
    assert [*found] == [*searches]
    rows = [EASE.replace("300.0,2,0.5,7", "5.0,2,0.25,3")]
    rows.append(rows[0].replace("EASE", "Other"))
    assert table.read_text() == "".join([HEAD, *rows, gone])


def test_another_file_in_the_place_of_the_table_is_refused(
    searches, searched, tmp_path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("model,split,settings,trials,value,seconds\n")
    said = r"table.csv: it has no column given, .*; or move the file away, for"
    with pytest.raises(InputError, match=said):
        search_all(searches, workers=1, table=table)
    assert searched == []


def test_an_interrupted_command_leaves_the_searches_that_ended(
    searches, searched, tmp_path
) -> None:
    table = tmp_path / "table.csv"
    searched.append("Other")
    with pytest.raises(KeyboardInterrupt):
        search_all(searches, workers=1, table=table)
    assert [*read_searches(table)] == [("EASE", "split=random")]
    known = known_of(table, searches)
    del searched[:]
    found, _ = search_all(searches, workers=1, table=table, known=known)
    assert searched == ["Other"]
    assert [*found] == [*searches]


def test_what_is_written_is_read(tmp_path) -> None:
    facts = {"settings": ["a=[1,2]", "b=1e-06"], "trials": 3, "value": 0.1 + 0.2}
    facts |= {"seconds": 0, "given": ["data=quick", "model=ease"]}
    rows = {("A, ssm", "split=random"): facts}
    write_searches(tmp_path / "table.csv", rows)
    assert read_searches(tmp_path / "table.csv") == rows
    write_searches(tmp_path / "table.csv", {})
    assert read_searches(tmp_path / "table.csv") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not readable as CSV"),
        (HEAD + "A,random,K=1,2,0.5,7,a=1,8\n", "not readable as CSV"),
        ("model,split,given\n", "no column settings, trials, value, seconds, so it is"),
        (HEAD + EASE + "A,random\n", "line 3: settings is 'None'; it is key=value"),
        (
            HEAD + "A,random,K=1 w,2,0.5,7,a=1\n",
            "line 2: settings is 'K=1 w'; it is key",
        ),
        (
            HEAD + ",random,K=1,2,0.5,7,a=1\n",
            "line 2: model is 'None'; it is the label",
        ),
        (HEAD + "A,,K=1,2,0.5,7,a=1\n", "line 2: split is 'None'; it is the name"),
        (
            HEAD + "A,random,K=1,2.5,0.5,7,a=1\n",
            "trials is '2.5'; it is a whole number",
        ),
        (
            HEAD + "A,random,K=1,0,0.5,7,a=1\n",
            "trials is '0'; it is a whole number of 1",
        ),
        (HEAD + "A,random,K=1,2,nan,7,a=1\n", "value is 'nan'; it is a number"),
        (HEAD + "A,random,K=1,2,0.5,-1,a=1\n", "seconds is '-1'; it is a whole number"),
        (HEAD + EASE + EASE, "lines 2 and 3: both are the search of EASE under random"),
        (
            HEAD + EASE.replace("net.ridge", "net.edge"),
            "line 2 (EASE, split=random): without model.net.ridge, with model.net.edge;"
            " leave what cannot be used out of the file, and it is searched again",
        ),
        (HEAD + EASE.replace("300.0", "much"), "line 2: model.net.ridge"),
        (HEAD + "A,random,K=1,2,0.5,7\n", "line 2: given is 'None'; it is key=value"),
        (
            HEAD + EASE.replace("synthetic", "gowalla").replace(" features=none", ""),
            "not of the data and settings that are asked for now: line 2 (EASE, "
            "split=random): without data=synthetic and features=none, with "
            "data=gowalla; leave",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    text: str, said: str, searches, tmp_path
) -> None:
    path = tmp_path / "given.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        known_of(path, searches)
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_a_loss_has_keys_of_its_own(small, tmp_path) -> None:
    job = Job("MF", "MF", (*small, "model=bpr_mf", "loss=ssm"), trials=1)
    path = tmp_path / "given.csv"
    found, given = "fit.lr=0.01 model.weights.l2=0.0", " ".join(given_of(job))
    path.write_text(f"{HEAD}MF,random,{found},1,0.5,7,{given}\n")
    with pytest.raises(InputError, match=r"without loss.num_negatives and loss.temp"):
        known_of(path, {("MF", "split=random"): job})
    plain = Job("MF", "MF", job.overrides[:-1], trials=1)
    path.write_text(f"{HEAD}MF,random,{found},1,0.5,7,{' '.join(given_of(plain))}\n")
    assert len(known_of(path, {("MF", "split=random"): plain}).taken) == 1


def test_a_search_is_known_by_what_its_trials_were_given_on_any_machine() -> None:
    here = ("data=tables", "data.path=/a", "seed=1", "K=5", "logger=wandb")
    there = ("+K=5", "device=cuda", "logger.group=x", "data=tables", "data.path=/b")
    of_machine = ("features.cache_dir=/a", "cache_dir=/a", "output_dir=/a")
    assert given_of(Job("A", "A", (*here, *of_machine))) == ["K=5", "data=tables"]
    assert given_of(Job("A", "A", there)) == ["K=5", "data=tables"]


@pytest.mark.parametrize("name", ["quick", "pair", "paper"])
def test_a_preset_that_searches_nothing_takes_no_table(micrec, capsys, name) -> None:
    assert micrec("reproduce", "--preset", name, "--tuned", "a.csv", "--dry-run") == 2
    said = f"--tuned a.csv: the preset {name} searches no settings; give one with"
    assert said in capsys.readouterr().err


def test_a_table_that_is_not_there_is_refused(command, tmp_path, capsys) -> None:
    assert command("out", "--tuned", tmp_path / "gone.csv") == 2
    assert "gone.csv: it is no file; give the reproduce-" in capsys.readouterr().err


def test_picking_needs_the_trials_themselves(command, capsys) -> None:
    assert command("out", "--tuned", "a.csv", "--picking") == 2
    said = "--tuned a.csv with --picking: every trial of a search is tested, and the"
    assert said in capsys.readouterr().err


def test_nothing_is_known_without_a_table(tmp_path) -> None:
    assert Known().before(tmp_path / "table.csv") == {}


def test_the_file_of_a_row_has_its_label_in_plain_letters() -> None:
    labels = ["MICRec", "MICRec+", "LightGCN + neighbours, ssm", "w/o MM (K=0)"]
    assert [*file_names(labels).values()] == [
        "micrec",
        "micrec_plus",
        "lightgcn_plus_neighbours_ssm",
        "w_o_mm_k_0",
    ]
    with pytest.raises(InputError, match=r"the rows 'A b' and 'a-B' .* as a_b\.yaml;"):
        file_names(["A b", "a-B"])


def test_every_preset_with_searches_has_names_for_its_files() -> None:
    names = [path.stem for path in preset.preset_folder().glob("*.yaml")]
    found = [Preset.read(name) for name in names if name not in ("pair", "paper")]
    searching = [each for each in found if each.trials]
    assert len(searching) > 2
    for each in searching:
        labels = [row.label for row in each.rows]
        assert len({*file_names(labels).values()}) == len(labels)
