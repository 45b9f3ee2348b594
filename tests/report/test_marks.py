"""Which bests are marked, on run folders written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from reference import significance as naive
from reference.runs import write_run
from scipy import stats

from micrec_pyg.report import marks
from micrec_pyg.report.collect import collect
from micrec_pyg.report.html.study import study_page
from micrec_pyg.report.marks import (
    OTHER_TASKS,
    Marks,
    models_of,
    significant_bests,
)
from micrec_pyg.report.model_grid import AVERAGE
from micrec_pyg.report.tables import aggregate, as_markdown, sheets
from micrec_pyg.schema import DamagedFileError

USERS = 12
RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.2, 0.4, USERS)
NOISE = RNG.normal(0, 0.05, USERS)
GAIN = RNG.uniform(0.05, 0.1, USERS)


def _write(tmp_path: Path, model: str, values: np.ndarray, **options: Any) -> None:
    content = {
        "a": {"all": {"recall@20": values.tolist(), "ndcg@20": BASE.tolist()}},
        "b": {
            "all": {"recall@20": (BASE + NOISE).tolist(), "ndcg@20": values.tolist()}
        },
    }
    name = f"{model}{options.get('seed', 0)}"
    write_run(tmp_path / name, content, model=model, **options)


def _marks(tmp_path: Path, *metrics: str, alpha: float = 0.05) -> Marks:
    results = collect(str(tmp_path))
    cells = aggregate(results, metrics=metrics, groups=["all"])
    return significant_bests(
        models_of(results),
        cells.filter(pl.col("domain") != AVERAGE),
        group="all",
        part="test",
        alpha=alpha,
    )


def markdown(results: pl.DataFrame, **options: Any) -> str:
    return as_markdown(sheets(results, **options))


def test_a_best_is_marked_where_it_beats_all_others(tmp_path: Path) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "near", BASE + NOISE)
    _write(tmp_path, "best", BASE + GAIN)
    found = _marks(tmp_path, "recall@20", "ndcg@20")
    # recall in b and ndcg in a are the same for all three
    assert found.places == {("best", "a", "recall@20"), ("best", "b", "ndcg@20")}
    # four columns, two others each
    assert "Holm-corrected over the 8 tests" in found.note
    assert "alpha = 0.05" in found.note


def test_the_level_is_that_of_holm_over_the_table(tmp_path: Path) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "near", BASE + NOISE)
    _write(tmp_path, "best", BASE + GAIN)
    p = [stats.wilcoxon(GAIN).pvalue, stats.wilcoxon(GAIN - NOISE).pvalue, 1, 1]
    needed = max(naive.holm(p)[:2])
    place = ("best", "a", "recall@20")
    assert place in _marks(tmp_path, "recall@20", alpha=needed * 1.01).places
    assert place not in _marks(tmp_path, "recall@20", alpha=needed * 0.99).places


def test_beating_some_is_not_enough(tmp_path: Path) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN)
    _write(tmp_path, "close", BASE + GAIN - NOISE / 100)
    assert _marks(tmp_path, "recall@20").places == frozenset()


def test_a_mean_that_few_users_raise_is_no_mark(tmp_path: Path) -> None:
    d = np.concatenate([np.ones(10), np.linspace(-0.1, -0.01, 60)])
    assert d.mean() > 0
    assert stats.wilcoxon(d).pvalue < 0.001  # for the losses of the others
    users = np.full(70, 0.5)
    for model, values in (("base", users), ("best", users + d)):
        content = {"a": {"all": {"recall@20": values.tolist()}}}
        write_run(tmp_path / model, content, model=model)
    found = _marks(tmp_path, "recall@20")
    assert "Holm-corrected over the 1 tests" in found.note
    assert found.places == frozenset()


def test_users_are_paired_within_the_seeds_of_both(tmp_path: Path) -> None:
    for seed in (0, 1):
        _write(tmp_path, "base", BASE + seed, seed=seed)
        _write(tmp_path, "best", BASE + seed + GAIN, seed=seed)
    assert _marks(tmp_path, "recall@20").places == {("best", "a", "recall@20")}
    # a third seed makes the base's mean the best one; on common seeds it is worse
    _write(tmp_path, "base", BASE + 9, seed=2)
    assert _marks(tmp_path, "recall@20").places == frozenset()


def test_runs_that_cannot_be_paired_are_not_tested(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN, seed=1)
    found = _marks(tmp_path, "recall@20")
    assert found.places == frozenset()
    assert found.comparable
    assert found.note == "Bests are not tested: the runs cannot be paired."
    assert "a paired test needs a seed that both have" in caplog.text


def test_no_row_is_best_where_rows_are_of_other_data_or_splits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {
        "metrics": ["recall@20"],
        "groups": ["all"],
        "tuning": "none",
        "names": {},
        "alpha": 0.05,
    }
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN)
    assert "**" in markdown(collect(str(tmp_path)), **options)
    _write(tmp_path, "other", BASE - GAIN, digests={"b": "other"})
    text = markdown(collect(str(tmp_path)), **options)
    assert "**" not in text
    assert OTHER_TASKS in text
    found = sheets(collect(str(tmp_path)), **options)
    page = study_page(
        collect(str(tmp_path)),
        found,
        root=tmp_path,
        metrics=["recall@20"],
        part="test",
    )
    assert page.headline == [f"toy, split random. {OTHER_TASKS}"]
    assert "domain b: the data of" in caplog.text


def test_a_damaged_file_is_no_reason_to_leave_marks_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN)

    def damaged(*_: object) -> None:
        raise DamagedFileError("per_user.parquet is not what was written")

    monkeypatch.setattr(marks, "_tests", damaged)
    with pytest.raises(DamagedFileError):
        _marks(tmp_path, "recall@20")


def _write_alone(
    tmp_path: Path, model: str, values: np.ndarray, **options: Any
) -> None:
    content = {"b": {"all": {"recall@20": values.tolist(), "ndcg@20": BASE.tolist()}}}
    write_run(tmp_path / f"{model}-alone", content, model=model, **options)


def _other_domain(tmp_path: Path) -> None:
    """Write a run without anything to compare with: no domain and no seed."""
    content = {"c": {"all": {"recall@20": BASE.tolist(), "ndcg@20": BASE.tolist()}}}
    write_run(tmp_path / "elsewhere", content, model="elsewhere", seed=9)


@pytest.mark.parametrize("first", ["aa", "zz"])  # before and behind the joint runs
def test_runs_on_one_domain_are_tested_in_its_columns_alone(
    tmp_path: Path, first: str
) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN)
    _write_alone(tmp_path, first, BASE + NOISE - GAIN)
    _other_domain(tmp_path)
    found = _marks(tmp_path, "recall@20", "ndcg@20")
    assert found.places == {("best", "a", "recall@20"), ("best", "b", "ndcg@20")}
    # in the columns of a one test each, in those of b two
    assert "Holm-corrected over the 6 tests" in found.note


def test_runs_on_one_domain_of_another_split_are_not_tested(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN)
    _write_alone(tmp_path, "alone", BASE, split="other")
    assert _marks(tmp_path, "recall@20").places == frozenset()
    assert "domain b:" in caplog.text
    assert "have different splits" in caplog.text


def test_a_model_alone_needs_no_test(tmp_path: Path) -> None:
    _write(tmp_path, "base", BASE)
    assert _marks(tmp_path, "recall@20") == Marks(frozenset(), "")


def test_the_table_has_mark_and_note(tmp_path: Path) -> None:
    _write(tmp_path, "base", BASE)
    _write(tmp_path, "best", BASE + GAIN)
    options: dict[str, Any] = {
        "metrics": ["recall@20"],
        "groups": ["all"],
        "tuning": "none",
        "names": {},
    }
    text = markdown(collect(str(tmp_path)), alpha=0.05, **options)
    best = next(line for line in text.splitlines() if line.startswith("| best"))
    cells = [cell.strip() for cell in best.split("|")][2:5]
    shown = f"**{(BASE + GAIN).mean():.4f}**"
    assert cells[0] == f"{shown}†"
    assert not cells[1].endswith("†")
    assert "\n† = better than every other model of its column: Wilcoxon" in text
    assert "†" not in markdown(collect(str(tmp_path)), **options)
