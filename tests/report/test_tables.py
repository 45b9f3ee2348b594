"""Tables whose every cell is computed by hand in the test."""

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from micrec_pyg.report.collect import COLUMNS
from micrec_pyg.report.tables import aggregate, as_markdown, overview, sheets, write
from micrec_pyg.schema import InputError

Value = tuple[str, int, str, str, float]
"""Label, seed, domain, group, recall."""


def _results(values: list[Value], **same: Any) -> pl.DataFrame:
    rows = [
        {
            "dataset": "toy",
            "split": "random",
            "part": "test",
            "metric": "recall@20",
            "label": label,
            "seed": seed,
            "domain": domain,
            "group": group,
            "value": value,
            **same,
        }
        for label, seed, domain, group, value in values
    ]
    return pl.DataFrame(rows, schema_overrides=dict(COLUMNS))


FULL: list[Value] = [
    ("ours", 0, "a", "all", 0.1),
    ("ours", 1, "a", "all", 0.3),
    ("ours", 0, "b", "all", 0.5),
    ("ours", 1, "b", "all", 0.6),
    ("mf", 0, "a", "all", 0.25),
    ("mf", 0, "b", "all", 0.35),
]


def _row(values: list[Value], **where: str) -> dict[str, Any]:
    table = aggregate(_results(values), metrics=["recall@20"], groups=["all", "new"])
    return table.filter(**where).row(0, named=True)


def markdown(results: pl.DataFrame, **options: Any) -> str:
    return as_markdown(sheets(results, **options))


def _table(results: pl.DataFrame, **options: Any) -> list[str]:
    chosen = {"metrics": ["recall@20"], "groups": ["all", "new"], "names": {}}
    text = markdown(results, tuning="none", **{**chosen, **options})
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_mean_and_sd_over_seeds() -> None:
    row = _row(FULL, label="ours", domain="a")
    assert row["mean"] == pytest.approx((0.1 + 0.3) / 2)
    assert row["sd"] == pytest.approx(math.sqrt((0.1**2 + 0.1**2) / 1))
    assert row["seeds"] == 2


def test_average_over_domains_within_a_seed() -> None:
    row = _row(FULL, label="ours", domain="average")
    per_seed = ((0.1 + 0.5) / 2, (0.3 + 0.6) / 2)
    assert row["mean"] == pytest.approx(sum(per_seed) / 2)
    assert row["sd"] == pytest.approx(abs(per_seed[0] - per_seed[1]) / math.sqrt(2))


def test_no_average_where_a_domain_is_missing() -> None:
    values = [*FULL[:4], ("mf", 0, "a", "all", 0.9)]
    table = aggregate(_results(values), metrics=["recall@20"], groups=["all"])
    labels = table.filter(domain="average")["label"].to_list()
    assert labels == ["ours"]


def test_markdown_cells_bold_and_order() -> None:
    lines = _table(_results(FULL), names={"ours": "Ours (full)"})
    assert lines == [
        "| model | a recall@20 | b recall@20 | average recall@20 | seeds |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| Ours (full) | 0.2000 ± 0.1414 | **0.5500 ± 0.0707** | "
        "**0.3750 ± 0.1061** | 2 |",
        "| mf | **0.2500** | 0.3500 | 0.3000 | 1 |",
    ]


def test_absent_is_a_dash_and_never_a_number() -> None:
    values = [*FULL, ("ours", 0, "a", "new", 0.2), ("ours", 0, "b", "new", 0.4)]
    lines = _table(_results(values), groups=["new"])
    assert lines[2:] == [
        "| mf | - | - | - | - |",
        "| ours | 0.2000 | 0.4000 | 0.3000 | 1 |",
    ]


def test_a_group_that_nobody_has_is_left_out() -> None:
    text = markdown(
        _results(FULL),
        metrics=["recall@20"],
        groups=["new", "all"],
        tuning="none",
        names={},
    )
    assert "### all" in text
    assert "### new" not in text


def test_one_domain_needs_no_average() -> None:
    values = [value for value in FULL if value[2] == "a"]
    assert _table(_results(values))[0] == "| model | a recall@20 | seeds |"


@pytest.mark.parametrize("other", [0.5, 0.50001])
def test_a_tie_is_never_bold(other: float) -> None:
    values = [("x", 0, "a", "all", 0.5), ("y", 0, "a", "all", other)]
    assert _table(_results(values))[2:] == ["| x | 0.5000 | 1 |", "| y | 0.5000 | 1 |"]


def test_a_group_whose_candidates_all_fit_in_the_list_is_marked() -> None:
    values = [*FULL, ("mf", 1, "a", "all", 0.25), ("mf", 1, "b", "all", 0.35)]
    candidates = _results(
        [
            (label, seed, d, "all", 20.0 if (d, seed) == ("a", 1) else 500.0)
            for label, seed, d, _, _ in values
        ]
    ).with_columns(metric=pl.lit("candidates"))
    results = pl.concat([_results(values), candidates])
    assert _table(results)[2:] == [
        "| mf | **0.2500 ± 0.0000**‡ | 0.3500 ± 0.0000 | 0.3000 ± 0.0000‡ | 2 |",
        "| ours | 0.2000 ± 0.1414‡ | **0.5500 ± 0.0707** | **0.3750 ± 0.1061**‡ | 2 |",
    ]
    text = markdown(
        results, metrics=["recall@20"], groups=["all"], tuning="none", names={}
    )
    assert "‡ = at most k candidates in some seed" in text
    assert "‡" not in markdown(
        _results(values), metrics=["recall@20"], groups=["all"], tuning="none", names={}
    )


def test_metrics_stand_in_the_order_asked_for() -> None:
    other = _results(FULL, metric="ndcg@20")
    results = pl.concat([_results(FULL), other])
    head = _table(results, metrics=["recall@20", "ndcg@20"])[0]
    assert head.startswith("| model | a recall@20 | a ndcg@20 | b recall@20 |")


def test_the_header_states_the_protocol() -> None:
    results = pl.concat([_results(FULL), _results(FULL, split="new_nodes")])
    text = markdown(
        results,
        metrics=["recall@20"],
        groups=["all"],
        tuning="one setting per model",
        names={},
    )
    assert "## toy, split random\n" in text
    assert "## toy, split new_nodes\n" in text
    assert text.count("Part: test. Seeds: 0, 1. Tuning: one setting per model.") == 2


def test_other_parts_are_not_mixed_in() -> None:
    results = pl.concat([_results(FULL), _results(FULL[:1], part="val")])
    table = aggregate(results, metrics=["recall@20"], groups=["all"], part="val")
    assert table["mean"].to_list() == [0.1, 0.1]  # domain a and its average


def test_nothing_evaluated_yet() -> None:
    with pytest.raises(InputError, match="no run has 'test' results"):
        _table(_results(FULL, part="val"))


def test_a_wrong_metric_lists_the_valid_ones() -> None:
    with pytest.raises(InputError, match=r"metrics recal; valid: recall@20$"):
        _table(_results(FULL), metrics=["recal"])


def test_overview_has_a_column_per_group() -> None:
    values = [*FULL, ("ours", 0, "a", "new", 0.2), ("ours", 0, "b", "new", 0.4)]
    table = overview(
        _results(values),
        metric="recall@20",
        groups=["new", "nobody", "all"],
        names={"mf": "MF"},
    )
    assert table.markdown().splitlines() == [
        "| model | recall@20 new | recall@20 all | seeds |",
        "| --- | ---: | ---: | ---: |",
        "| MF | - | 0.3000 | 1 |",
        "| ours | **0.3000** | **0.3750 ± 0.1061** | 2 |",
    ]


def test_files(tmp_path: Path) -> None:
    results = _results(FULL)
    options: dict[str, Any] = {
        "metrics": ["recall@20"],
        "groups": ["all"],
        "names": {"ours": "Ours (full)"},
    }
    path = tmp_path / "new" / "report.md"
    for text in ("first", "second"):  # replaces the first
        page, data = write(results, path, text=text, **options)
    assert page.read_text(encoding="utf-8") == "second"
    frame = pl.read_csv(data)
    assert frame.columns == [
        *("dataset", "split", "group", "model", "label", "domain", "metric"),
        *("mean", "sd", "seeds"),
    ]
    row = frame.filter(label="ours", domain="a").row(0, named=True)
    assert row["model"] == "Ours (full)"
    assert row["mean"] == pytest.approx(0.2)
    assert frame.filter(label="mf")["sd"].null_count() == 3
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.csv", "report.md"]


def test_another_file_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name a Markdown file"):
        write(
            _results(FULL),
            tmp_path / "report.csv",
            metrics=["recall@20"],
            groups=["all"],
            names={},
            text="",
        )


@pytest.mark.parametrize(
    ("metric", "bold"), [("recall@20", True), ("gini@20", False), ("novelty@20", False)]
)
def test_only_accuracy_has_a_best(metric: str, bold: bool) -> None:
    results = _results(FULL, metric=metric)
    lines = _table(results, metrics=[metric], groups=["all"])
    assert any("**" in line for line in lines) is bold


def test_unlike_numbers_of_seeds_are_told_above_the_table() -> None:
    options: dict[str, Any] = {
        "metrics": ["recall@20"],
        "groups": ["all"],
        "tuning": "none",
        "names": {},
    }
    said = "Rows are means of 1 to 2 seeds (last column)"
    assert said in markdown(_results(FULL), **options)
    alike = [value for value in FULL if value[1] == 0]
    assert "Rows are means" not in markdown(_results(alike), **options)
