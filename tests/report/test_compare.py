"""Tables of comparisons, on run folders written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from reference import significance as naive
from reference.runs import write_run

from micrec_pyg.evaluation.significance import TestOptions
from micrec_pyg.report.compare import Cell, Question, by_label, compare
from micrec_pyg.report.compare_output import (
    aligned,
    as_json,
    caption,
    markdown,
    rows_of,
)
from micrec_pyg.runs.read import find_runs
from micrec_pyg.schema import InputError

OPTIONS = TestOptions(test="wilcoxon", alpha=0.05, resamples=200, seed=0)
ALL = Question(part="test", groups=["all"], metrics=["recall@20"])
BASE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
GAINS = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]


def _write(tmp_path: Path, name: str, gain: float, **options: Any) -> str:
    values = [b + gain * g for b, g in zip(BASE, GAINS, strict=True)]
    content = {
        "a": {"all": {"recall@20": values, "ndcg@20": BASE}},
        "b": {"all": {"recall@20": BASE, "ndcg@20": values}},
    }
    return str(write_run(tmp_path / name, content, **options))


def _by_name(table: list[Cell]) -> dict[tuple[str, str, str], Cell]:
    return {(cell.model, cell.domain, cell.metric): cell for cell in table}


def test_every_cell_against_the_reference(tmp_path: Path) -> None:
    roots = [
        _write(tmp_path, "base", 0, model="base"),
        _write(tmp_path, "up", 1, model="up"),
        _write(tmp_path, "down", -2, model="down"),
    ]
    both = Question(part="test", groups=["all"], metrics=["recall@20", "ndcg@20"])
    table = compare(roots, both, OPTIONS)
    assert [(c.domain, c.model, c.metric) for c in table] == [
        (domain, model, metric)
        for domain in "ab"
        for model in ("up", "down")
        for metric in ("recall@20", "ndcg@20")
    ]
    assert {cell.reference for cell in table} == {"base"}
    cells = _by_name(table)
    down = cells["down", "a", "recall@20"]
    assert down.pairs is not None
    assert down.result is not None
    assert down.pairs.reference == pytest.approx(sum(BASE) / 8)
    assert down.result.difference == pytest.approx(-2 * sum(GAINS) / 8)
    p = [2 / 2**8, 1.0, 2 / 2**8, 1.0, 1.0, 2 / 2**8, 1.0, 2 / 2**8]
    assert [c.result.p for c in table if c.result] == pytest.approx(p)
    assert [c.p_holm for c in table] == pytest.approx(naive.holm(p))
    assert cells["up", "b", "recall@20"].result.difference == 0


def test_seeds_of_one_setting_are_one_model(tmp_path: Path) -> None:
    for seed, gain in ((0, 1), (1, 3)):
        _write(tmp_path, f"base/s{seed}", 0, model="base", seed=seed)
        _write(tmp_path, f"up/s{seed}", gain, model="up", seed=seed)
    table = compare([str(tmp_path / "base"), str(tmp_path / "up")], ALL, OPTIONS)
    cell = _by_name(table)["up", "a", "recall@20"]
    mean = sum(GAINS) / 8
    assert cell.pairs.by_seed == pytest.approx({0: mean, 1: 3 * mean})
    assert cell.result.difference == pytest.approx(2 * mean)
    # sample standard deviation of m and 3 m
    assert cell.seed_sd == pytest.approx(2**0.5 * mean)


def test_the_reference_by_label_and_by_folder(tmp_path: Path) -> None:
    base = _write(tmp_path, "base", 0, model="base")
    up = _write(tmp_path, "up", 1, model="up")
    for reference in ("up", up):
        table = compare([base, up], ALL, OPTIONS, reference=reference)
        assert {(c.reference, c.model) for c in table} == {("up", "base")}
    with pytest.raises(
        InputError, match=r"names 2 of the models .* 'base'.*: base; up"
    ):
        compare([str(tmp_path)], ALL, OPTIONS)
    with pytest.raises(InputError, match=r"no metrics\.json under 'upp'"):
        compare([base, up], ALL, OPTIONS, reference="upp")


def test_one_model_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all runs are 'ours'"):
        compare([_write(tmp_path, "one", 0)], ALL, OPTIONS)


def test_a_run_twice_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "one", 0)
    _write(tmp_path, "two", 0)
    with pytest.raises(InputError, match=r"one and .*two are both 'ours' with seed 0"):
        by_label(find_runs([str(tmp_path)]))
    # one folder named twice is no second run
    root = str(tmp_path / "one")
    assert list(by_label(find_runs([root, root]))) == ["ours"]


@pytest.mark.parametrize("digests", [{"a": "x"}, {"c": "x"}])
def test_other_data_is_refused(tmp_path: Path, digests: dict[str, str]) -> None:
    base = _write(tmp_path, "base", 0, model="base")
    up = _write(tmp_path, "up", 1, model="up", digests=digests)
    with pytest.raises(InputError, match=r"data of|domains a, b"):
        compare([base, up], ALL, OPTIONS)


def test_no_answer_is_no_number(tmp_path: Path) -> None:
    groups = {"all": {"recall@20": BASE}, "new_user": {"recall@20": BASE[:3]}}
    base = str(write_run(tmp_path / "base", {"a": groups}, model="base"))
    seen = {"a": {"all": {"recall@20": BASE}}}
    mf = str(write_run(tmp_path / "mf", seen, model="mf"))
    question = Question(part="test", groups=["new_user", "all"], metrics=["recall@20"])
    table = compare([base, mf], question, OPTIONS)
    assert [cell.result is None for cell in table] == [True, False]
    assert table[1].p_holm == 1
    rows = rows_of(table, OPTIONS)
    assert rows[1][4:] == ["-"] * 11
    alone = Question(part="test", groups=["new_user"], metrics=["recall@20"])
    with pytest.raises(InputError, match="no model has an answer"):
        compare([base, mf], alone, OPTIONS)
    wrong = Question(part="test", groups=["nobody"], metrics=["recall@20"])
    with pytest.raises(InputError, match=r"group nobody .* valid: all, new_user"):
        compare([base, mf], wrong, OPTIONS)


def test_text_of_a_line(tmp_path: Path) -> None:
    roots = [
        _write(tmp_path, "base", 0, model="base"),
        _write(tmp_path, "up", 1, model="up"),
    ]
    table = compare(roots, ALL, OPTIONS)
    rows = rows_of(table, OPTIONS)
    result = table[0].result
    # d: mean 0.045 over the standard deviation of 0.01 ... 0.08, 0.01 * sqrt(6)
    assert rows[1] == [
        *("a", "all", "recall@20", "up", "0.4500", "0.4950", "+0.0450"),
        f"[{result.low:+.4f}, {result.high:+.4f}]",
        *("0.0078", "0.0156†", "+1.84", "+1.00", "8", "0", "-"),
    ]
    assert rows[2][8:12] == ["1.0000", "1.0000", "+0.00", "+0.00"]
    text = caption(table, ALL, OPTIONS)
    assert "Wilcoxon signed-rank test" in text
    assert "over the 2 lines tested; † below alpha = 0.05" in text
    assert "reference (base)" in text
    assert markdown(rows).splitlines()[1].count("---:") == 11
    lines = aligned(rows).splitlines()
    # what all rows share stands above; every part fits a terminal and has the keys
    assert lines[:3] == ["group: all", "metric: recall@20", ""]
    head = lines[3]
    names = "domain model reference mean difference interval p"
    assert head.split() == names.split()
    assert head.index("difference") == lines[4].index("+0.0450")
    assert lines[6:8] == [
        "",
        "domain  model  p Holm   d      r      users  seeds  seed sd",
    ]
    assert lines[8].split() == ["a", "up", "0.0156†", "+1.84", "+1.00", "8", "0", "-"]
    assert max(map(len, lines)) <= 80


def test_json_has_everything(tmp_path: Path) -> None:
    roots = [
        _write(tmp_path, "base", 0, model="base"),
        _write(tmp_path, "up", 1, model="up"),
    ]
    table = compare(roots, ALL, OPTIONS)
    plain = json.loads(json.dumps(as_json(table, ALL, OPTIONS), allow_nan=False))
    assert plain["family"] == 2
    cell = plain["cells"][0]
    assert cell["difference"] == pytest.approx(0.045)
    assert cell["mean"] - cell["reference_mean"] == pytest.approx(0.045)
    assert cell["seed_differences"] == pytest.approx([0.045])
    assert (cell["users"], cell["undefined"], cell["seed_sd"]) == (8, 0, None)
    assert cell["p_holm"] == pytest.approx(2 * cell["p"])


def test_what_is_named_twice_counts_once(tmp_path: Path) -> None:
    roots = [
        _write(tmp_path, "base", 0, model="base"),
        _write(tmp_path, "up", 1, model="up"),
    ]
    twice = Question(part="test", groups=["all"] * 2, metrics=["recall@20"] * 2)
    assert len(compare(roots, twice, OPTIONS)) == len(compare(roots, ALL, OPTIONS))
    with pytest.raises(InputError, match=r"metrics='ndcg@20': give a list"):
        Question(part="test", groups=["all"], metrics="ndcg@20")
