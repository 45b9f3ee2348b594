"""The report command on run folders written by hand."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml
from reference.runs import write_run

from micrec_pyg.cli.report import main
from micrec_pyg.schema import InputError


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Undo what the command does to the root logger, which pytest reads."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for seed, value in ((0, 0.1), (1, 0.3)):
        folder = tmp_path / "toy" / "ours" / f"s{seed}"
        folder.mkdir(parents=True)
        numbers = {"recall@20": value, "ndcg@20": 0.5, "precision@20": 0.25}
        metrics = {
            "schema": 1,
            "dataset": "toy",
            "model": "ours",
            "seed": seed,
            "split": "random",
            "val": {"A": {"all": {**numbers, "recall@20": 0.75}}},
            "test": {"A": {"all": numbers, "new_user": {"recall@20": 2 * value}}},
        }
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "config.yaml").write_text(yaml.safe_dump({"K": 3, "seed": seed}))
    return tmp_path


def _rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ours")]


def test_prints_and_writes(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(outputs)]) == 0
    printed = capsys.readouterr().out
    # sd of 0.1 and 0.3: sqrt((0.1^2 + 0.1^2) / 1)
    assert _rows(printed) == [
        "| ours | 0.2000 ± 0.1414 | 0.5000 ± 0.0000 | 0.2500 ± 0.0000 | 2 |"
    ]
    assert (outputs / "report.md").read_text(encoding="utf-8") == printed
    frame = pl.read_csv(outputs / "report.csv").filter(domain="A", metric="recall@20")
    assert frame["mean"].to_list() == pytest.approx([0.2])


def test_chosen_metric_group_part_and_file(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = outputs / "elsewhere" / "t.md"
    chosen = ["--metric", "recall@20", "--group", "new_user", "--out", str(out)]
    assert main([str(outputs), *chosen]) == 0
    assert _rows(capsys.readouterr().out) == ["| ours | 0.4000 ± 0.2828 | 2 |"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["t.csv", "t.md"]
    assert main([str(outputs), "--metric", "recall@20", "--part", "val"]) == 0
    assert _rows(capsys.readouterr().out) == ["| ours | 0.7500 ± 0.0000 | 2 |"]


def test_refused(outputs: Path) -> None:
    with pytest.raises(InputError, match=r"the metrics recal; valid: [^\[]*$"):
        main([str(outputs), "--metric", "recal"])
    with pytest.raises(InputError, match=r"the groups nobody; valid: [^\[]*$"):
        main([str(outputs), "--group", "nobody"])
    with pytest.raises(InputError, match=r"no metrics\.json under"):
        main([str(outputs / "nothing")])


def test_significant_bests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [0.1 + 0.01 * n for n in range(12)]
    for name, gain in (("base", 1), ("ours", 1.5)):
        content = {"A": {"all": {"recall@20": [gain * v for v in values]}}}
        write_run(tmp_path / name, content, model=name)
    chosen = [str(tmp_path), "--metric", "recall@20"]
    assert main(chosen) == 0
    shown = capsys.readouterr().out
    assert _rows(shown) == ["| ours | **0.2325**† | 1 |"]
    assert "alpha = 0.05" in shown
    # two to the power of 12 sign patterns: p = 2 / 4096
    assert main([*chosen, "--alpha", "0.0004"]) == 0
    assert _rows(capsys.readouterr().out) == ["| ours | **0.2325** | 1 |"]
    assert main([*chosen, "--alpha", "none"]) == 0
    assert "†" not in capsys.readouterr().out
    for wrong in ("0", "1", "often"):
        with pytest.raises(SystemExit):
            main([*chosen, "--alpha", wrong])
        assert "between 0 and 1, or none" in capsys.readouterr().err


def test_pages_tables_and_pictures_stand_side_by_side(outputs: Path) -> None:
    out = outputs / "out" / "r.md"
    assert main([str(outputs), "--out", str(out), "--latex", "--figures"]) == 0
    names = {path.name for path in out.parent.iterdir()}
    assert names == {"r.md", "r.csv", "r.tex", "r-toy-all.svg", "r-toy-all.pdf"} | {
        "r-toy-new_user.svg",
        "r-toy-new_user.pdf",
    }
    assert r"0.2000 $\pm$ 0.1414" in (out.parent / "r.tex").read_text()


def test_the_page_without_its_packages(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("micrec_pyg.report.html.PACKAGES", ("altair", "no_such_one"))
    with pytest.raises(InputError, match=r"needs no_such_one; .*micrec-pyg\[html\]"):
        main([str(outputs), "--html"])
    assert not (outputs / "report.html").exists()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "--metric" in capsys.readouterr().out


def test_what_is_in_no_table_is_told(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = outputs / "toy" / "ours" / "s1" / "metrics.json"
    metrics = json.loads(path.read_text())
    del metrics["test"]
    path.write_text(json.dumps(metrics))
    assert main([str(outputs)]) == 0
    told = capsys.readouterr().err
    assert "1 run has no test results and is in no table" in told
    assert f"micrec evaluate {path.parent}" in told
