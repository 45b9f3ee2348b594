"""Settings of a preset that are impossible: refused before its runs are listed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.job_checks import check_jobs
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies import study
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.settings import check_data_files
from micrec_pyg.schema import InputError

BEYOND = "9" * 20


@pytest.mark.parametrize("preset", ["quick", "pair", "paper"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Kfoo=3", "unknown key 'Kfoo'"),
        ("K=-1", "K=-1: give a whole number of 0 or more"),
        ("fit.lr=abc", "fit.lr=abc: give a number"),
        (f"--seeds={BEYOND}", f"--seeds {BEYOND} was given; give different whole"),
        (f"seeds=0,{'9' * 5000}", "--seeds 0,9999"),
        (f"seed={BEYOND}", "which the preset decides (--seeds 0,1)"),
    ],
)
def test_no_run_is_listed_if_a_setting_is_impossible(
    micrec, capsys, monkeypatch, preset: str, given: str, said: str
) -> None:
    monkeypatch.setattr(study, "facts_of", None)  # no data is read
    assert micrec("reproduce", "--dry-run", f"preset={preset}", given) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


READ_FROM_A_FOLDER = {
    "tables": [],
    "citeulike": [],
    "ngcf": [],
    "mmrec": [],
    "recbole": [],
    "heterodata": [],
    "amazon2018": ["pair=food_kitchen"],
}
"""A data set of every source that reads a folder of the user, and what it needs."""


def _said(call: Callable[..., object], *given: object) -> str:
    with pytest.raises(InputError) as error:
        call(*given)
    return str(error.value)


@pytest.mark.parametrize("data", READ_FROM_A_FOLDER)
def test_data_that_is_not_there_is_refused_with_the_sentence_of_reading_it(
    monkeypatch, tmp_path: Path, data: str
) -> None:
    monkeypatch.chdir(tmp_path)
    more = READ_FROM_A_FOLDER[data]
    run = experiment([f"data={data}", "data.path=shop", "model=popularity", *more])
    check, node = check_data_files, run.settings["data"]
    assert _said(check, node) == _said(run.load_data)
    (tmp_path / "shop").mkdir()
    assert _said(check, node) == _said(run.load_data)
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_every_source_with_a_path_is_tried() -> None:
    texts = {
        path.stem: path.read_text()
        for path in (conf_dir() / "data").glob("[a-z]*.yaml")
    }
    sources = {
        name: text.split("_target_: ")[1].split()[0] for name, text in texts.items()
    }
    with_path = {sources[name] for name, text in texts.items() if "\npath:" in text}
    assert with_path == {sources[name] for name in READ_FROM_A_FOLDER}


def test_a_dry_run_lists_nothing_without_the_data(micrec, capsys, tmp_path) -> None:
    path = tmp_path / "nothing"
    dry = ("reproduce", "--preset", "baby", "--dry-run")
    assert micrec(*dry, f"data.path={path}") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"micrec: {path}: no such folder; give data.path=<folder of the data set>\n"
    )
    (path / "baby").mkdir(parents=True)
    (path / "baby" / "interactions.tsv").write_text("user\titem\tx_label\n")
    assert micrec(*dry, f"data.path={path}") == 0
    assert "micrec train" in capsys.readouterr().out


def test_every_option_is_tried_and_the_run_is_named() -> None:
    jobs = [
        Job(label=model, name=model, overrides=(f"model={model}", "model.net.dim=8"))
        for model in ("micrec", "inmo", "popularity")
    ]
    check_jobs(jobs[:2])
    with pytest.raises(InputError, match=r"'model\.net\.dim' is no .* run popularity"):
        check_jobs(jobs)


@pytest.mark.parametrize(
    ("given", "said"),
    [("model.net.depth=8", "unknown key"), ("~features.kg", "is not deleted")],
)
def test_a_key_of_a_later_run_with_the_same_options_is_tried(given, said) -> None:
    jobs = [
        Job(label=name, name=name, overrides=("model=inmo", *more))
        for name, more in (("first", ()), ("second", (given,)))
    ]
    check_jobs(jobs[:1])
    with pytest.raises(InputError, match=f"({said}).* run second"):
        check_jobs(jobs)
