"""Presets of several studies: what is run, shared, skipped, told and written."""

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fake_jobs import FakeJobs

from micrec_pyg.cli import reproduce
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.reproduce import main
from micrec_pyg.cli.studies import estimate, study
from micrec_pyg.cli.studies.done import Done
from micrec_pyg.cli.studies.facts import DataFacts, facts_of
from micrec_pyg.cli.studies.plan import Book
from micrec_pyg.cli.studies.views import VIEWS
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

MANIFEST = """
title: Toys
studies: [first, second, third]
tuning: nothing
seeds: [0, 1]
overrides: [data=toy]
by_data: {toy: [fit.lr=9]}
splits: [split=random]
metrics: [recall@20]
groups: []
picture:
  - {split: random, group: all, metric: recall@20}
"""
FIRST = """
title: First
question: Who?
rows:
  - {label: Ours, overrides: [model=ours]}
  - {label: MF, overrides: [model=mf]}
  - {label: Images, overrides: [model=mf, w=0], needs: [image]}
"""
SECOND = """
title: Second
question: How many?
sweep: {name: neighbours, values: [0, 3]}
rows:
  - {label: Ours, overrides: [model=ours, K=VALUE]}
  - {label: MF, overrides: [model=mf]}
"""
THIRD = """
title: Third
question: What do facts give?
needs: [kg]
rows:
  - {label: Ours, overrides: [model=ours]}
"""
FACTS = DataFacts(
    dataset="toy",
    domains=("A", "B"),
    users=9,
    items=9,
    interactions=100,
    has=frozenset({"text", "features"}),
    digest="of toys",
)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeJobs:
    made = FakeJobs()
    monkeypatch.setitem(sys.modules, "micrec_pyg.cli.train", made)
    monkeypatch.setitem(sys.modules, "micrec_pyg.runs.evaluate", made)
    monkeypatch.setattr(study, "check_jobs", list)  # of models that are not real
    folder = tmp_path / "presets" / "toys"
    folder.mkdir(parents=True)
    (folder.parent / "toys.yaml").write_text(MANIFEST)
    for name, text in (("first", FIRST), ("second", SECOND), ("third", THIRD)):
        (folder / f"{name}.yaml").write_text(text)
    monkeypatch.setattr(reproduce, "preset_folder", lambda: folder.parent)
    monkeypatch.setattr(study, "facts_of", lambda overrides: FACTS)
    monkeypatch.setattr(estimate, "_bound", lambda job, facts: 60.0)
    return made


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Undo what the command does to the root logger, which pytest reads."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def _run(tmp_path: Path, *more: str) -> int:
    out = tmp_path / "out"
    return main(["preset=toys", "--output-dir", str(out), "--jobs", "1", *more])


def _written(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "out" / "studies" / "toy").iterdir()}


def test_runs_that_studies_share_are_trained_once_and_shown_in_both(
    fake: FakeJobs, tmp_path: Path
) -> None:
    assert _run(tmp_path) == 0
    # K=3 of the second study is the default, so it is the first study's row
    assert sorted(fake.trained) == [
        "mf random 0",
        "mf random 1",
        "ours 0 random 0",
        "ours 0 random 1",
        "ours random 0",
        "ours random 1",
    ]
    folder = tmp_path / "out" / "studies" / "toy"
    first, second = ((folder / f"{n}.md").read_text() for n in ("first", "second"))
    assert "| Ours | **0.4500" in first
    assert "| neighbours 3 | **0.4500" in second
    assert "| neighbours 0 | 0.2500" in second
    assert "Images" not in first
    assert "- question: How many?" in second
    assert "fit.lr=9" in second
    endings = ("md", "csv", "tex", "svg", "pdf")
    files = {f"{name}.{ending}" for name in ("first", "second") for ending in endings}
    assert _written(tmp_path) == {*files, "manifest.json"}


def test_an_experiment_may_have_another_value_than_the_default(
    fake: FakeJobs, tmp_path: Path
) -> None:
    more = ["--studies", "second", "--seeds", "0", "experiment=movielens/micrec_plus"]
    assert _run(tmp_path, *more) == 0
    # its K is 10, so K=3 has to be said
    assert sorted(fake.trained) == ["mf random 0", "ours 0 random 0", "ours 3 random 0"]


def test_a_check_against_one_table_is_refused(fake: FakeJobs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="preset toys has a table per study; give a"):
        _run(tmp_path, "--check", "old.csv")
    assert not fake.trained


def test_the_figure_of_a_sweep_has_a_line_and_the_level_of_what_is_not_swept(
    fake: FakeJobs, tmp_path: Path
) -> None:
    _run(tmp_path, "--studies", "second")
    picture = (tmp_path / "out/studies/toy/second.svg").read_text(encoding="utf-8")
    assert "<!-- neighbours -->" in picture
    assert "<!-- MF -->" in picture
    assert "<!-- Ours -->" in picture
    assert "<!-- neighbours 3 -->" not in picture


def test_rows_that_are_one_run_are_rows_of_their_own(
    fake: FakeJobs, tmp_path: Path
) -> None:
    rows = "rows:\n" + "".join(
        f"  - {{label: {name}, overrides: [model=ours, K=VALUE{own}]}}\n"
        for name, own in (("text", ""), ("images", ", w=0.9"))  # which is the default
    )
    path = tmp_path / "presets" / "toys" / "second.yaml"
    path.write_text(SECOND.partition("rows:")[0] + rows)
    assert _run(tmp_path, "--studies", "second") == 0
    assert len(fake.trained) == 4  # of two places and two seeds
    folder = tmp_path / "out" / "studies" / "toy"
    table = (folder / "second.md").read_text()
    for place, mean in ((0, 0.25), (3, 0.45)):
        for name in ("text", "images"):
            assert f"| {name}, neighbours {place} | {mean:.4f}" in table
    frame = pl.read_csv(folder / "second.csv")
    assert frame["label"].n_unique() == 4


def test_a_finished_run_is_not_asked_for_again(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path)
    asked = fake.asked
    capsys.readouterr()
    assert _run(tmp_path) == 0
    assert fake.asked == asked
    assert "6 runs in all, 0 to do" in capsys.readouterr().out


def test_without_its_results_or_with_other_data_a_run_is_asked_for_again(
    fake: FakeJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(tmp_path)
    asked = fake.asked
    (tmp_path / "out/toy/mf random 1/metrics.json").unlink()
    (tmp_path / "out/toy/mf random 1/config.yaml").unlink()
    (tmp_path / "out/toy/mf random 1").rmdir()
    _run(tmp_path)
    assert fake.asked == asked + 1
    other = DataFacts(**{**vars(FACTS), "digest": "of other toys"})
    monkeypatch.setattr(study, "facts_of", lambda overrides: other)
    _run(tmp_path)
    assert fake.asked == asked + 1 + 6


def test_a_failed_run_is_told_and_its_study_has_the_others(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.fail = {"ours 0 random 1": FloatingPointError("loss is NaN")}
    assert _run(tmp_path) == 1
    assert (
        "failed: neighbours 0, split=random, seed 1: FloatingPointError: loss is NaN"
        in (capsys.readouterr().err)
    )
    book = json.loads((tmp_path / "out/studies/toy/manifest.json").read_text())
    assert book["studies"]["first"]["state"] == "done"
    assert book["studies"]["second"]["failed"] == ["neighbours 0, split=random, seed 1"]
    assert book["studies"]["third"] == {
        "state": "left out",
        "needs": "facts of a knowledge graph",
    }
    fake.fail = {}
    assert _run(tmp_path) == 0


def test_a_study_that_cannot_be_written_stops_no_other(
    fake: FakeJobs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show = VIEWS["rows"]

    def shown(done: Done) -> list[Path]:
        if done.study.name == "first":
            raise InputError("these runs make no table")
        return show(done)

    monkeypatch.setitem(VIEWS, "rows", shown)
    for trained in (6, 6):  # anew, and with all runs done
        assert _run(tmp_path) == 1
        assert len(fake.trained) == trained
        said = capsys.readouterr().err.splitlines()
        assert said[-1] == "not written: study first: these runs make no table"
        studies = json.loads((tmp_path / "out/studies/toy/manifest.json").read_text())
        assert studies["studies"]["second"]["state"] == "done"
        first = studies["studies"]["first"]
        assert first["state"] == "not written"
        assert first["reason"] == "these runs make no table"
    monkeypatch.setitem(VIEWS, "rows", show)
    assert _run(tmp_path) == 0
    assert "first.md" in _written(tmp_path)


def test_a_study_without_a_value_for_its_figure_does_not_stop_the_others(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, "--splits", "user_time") == 0
    folder = tmp_path / "out/studies/toy"
    assert {p.name for p in folder.glob("*.md")} == {"first.md", "second.md"}
    assert not list(folder.glob("*.svg"))
    assert capsys.readouterr().err.count("not drawn: ") == 2


def test_a_dry_run_tells_the_studies_the_time_and_the_disk_and_runs_nothing(
    fake: FakeJobs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["w=0.5", "--dry-run", "gamma=0", "splits=random,new_nodes", "seeds=5"]
    assert _run(tmp_path, *more) == 0
    said = capsys.readouterr().out
    assert fake.asked == 0
    assert not (tmp_path / "out").exists()
    assert "first: 4 runs, 0 of them shared with studies above, 0 done: Who?" in said
    assert "second: 6 runs, 4 of them shared with studies above, 0 done" in said
    assert "third: left out, the data has no facts of a knowledge graph" in said
    # six runs of a minute each
    assert "6 runs in all, 6 to do; time: about 6 min (at most); disk: about " in said
    assert said.count("micrec train data=toy ") == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--studies", "fourth"], "--studies fourth: give any of first, second, third"),
        (["--studies", "first,first"], "give different names"),
        (["model=mf"], "'model=mf' was given"),
    ],
)
def test_refused(
    fake: FakeJobs, tmp_path: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        _run(tmp_path, *arguments)


def test_a_study_that_reads_more_goes_on_with_what_the_others_did(
    fake: FakeJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "presets" / "toys" / "third.yaml"
    path.write_text(f"{THIRD}overrides: [data.kg=true]\n")
    with_facts = DataFacts(
        **{**vars(FACTS), "digest": "with facts", "has": FACTS.has | {"kg"}}
    )
    monkeypatch.setattr(
        study, "facts_of", lambda o: with_facts if "data.kg=true" in o else FACTS
    )
    assert _run(tmp_path, "--studies", "first") == 0
    asked = fake.asked
    assert _run(tmp_path, "--studies", "third") == 0
    book = json.loads((tmp_path / "out/studies/toy/manifest.json").read_text())
    assert {*book["studies"]} == {"first", "third"}
    assert fake.asked == asked + 2
    assert _run(tmp_path, "--studies", "first") == 0
    assert fake.asked == asked + 2
    with_facts = replace(with_facts, digest="other facts")
    assert _run(tmp_path, "--studies", "third") == 0
    assert fake.asked == asked + 4


@pytest.mark.parametrize(
    ("domains", "has", "more", "aligned"),
    [
        (("A", "B"), set(), [], False),
        (("A", "B"), {"shared_users"}, [], True),
        (("A",), set(), [], True),  # training itself has nothing to align then
        (("A", "B"), set(), ["gamma=2"], True),
    ],
)
def test_domains_without_a_common_user_are_not_aligned_and_that_is_said(
    fake: FakeJobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    domains: tuple[str, ...],
    has: set[str],
    more: list[str],
    aligned: bool,
) -> None:
    facts = replace(FACTS, domains=domains, has=FACTS.has | has)
    monkeypatch.setattr(study, "facts_of", lambda overrides: facts)
    assert _run(tmp_path, "--dry-run", *more) == 0
    told, *commands = capsys.readouterr().out.split("micrec train ")
    assert ("gamma=0 in every run, as no two domains share users" in told) != aligned
    assert len(commands) == 6
    assert all((" gamma=0 " in each) != aligned for each in commands)


def test_what_a_data_set_has(small: list[str]) -> None:
    found = facts_of([*small, "features=default", "fit.lr=0.1"])
    assert found.dataset == "synthetic"
    assert len(found.domains) == 2
    assert found.has == {"text", "features", "shared_users"}
    alone = facts_of([*small, "data.num_domains=1"])
    assert alone.has == set()
    assert alone.digest != found.digest
    # a setting that is not of the data reads nothing again
    assert facts_of([*small, "features=default", "fit.lr=0.2"]) is found


def test_every_study_of_a_preset_is_a_file_and_every_file_a_study() -> None:
    for path in (conf_dir() / "reproduce").glob("*/"):
        names = read_yaml(path.with_suffix(".yaml"))["studies"]
        assert {file.stem for file in path.glob("*.yaml")} == {*names}


def test_calls_at_the_same_time_keep_each_others_runs(tmp_path: Path, caplog) -> None:
    books = [Book(tmp_path, ["toy"]) for _ in range(2)]
    jobs = [
        Job("ours", f"seed {seed}", ("model=ours", f"seed={seed}")) for seed in "01"
    ]
    for book, job in zip(books, jobs, strict=True):
        folder = tmp_path / job.name
        folder.mkdir()
        (folder / "metrics.json").write_text('{"test": {}}')
        book.studies[job.name] = {"state": "done"}
        book.add(job, (folder, 1.0))
    again = Book(tmp_path, ["toy"])
    assert [again.folder_of(job) for job in jobs] == [tmp_path / j.name for j in jobs]
    # the second call has seen the first one's run, and kept what it says of a study
    assert books[1].folder_of(jobs[0]) == tmp_path / "seed 0"
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert set(written["studies"]) == {"seed 0", "seed 1"}
    assert "are forgotten" not in caplog.text
    assert Book(tmp_path, ["other data"]).folder_of(jobs[0]) is None
    assert "its 2 runs and 2 studies are forgotten" in caplog.text
