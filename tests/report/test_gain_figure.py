"""Gains over a model, by groups, against sums by hand."""

import re

import polars as pl
import pytest

from micrec_pyg.report.collect import COLUMNS
from micrec_pyg.report.gain_figure import draw_gains, gains

VALUES = {
    # label: by seed, values of the domains a and b (None: no answer)
    "base": [(0.2, 0.4), (0.1, 0.1)],
    "ours": [(0.3, 0.6), (0.1, 0.2)],
    "mute": [(None, 0.5), (None, 0.1)],
}


@pytest.fixture
def results() -> pl.DataFrame:
    same = {"dataset": "toy", "split": "random", "part": "test", "metric": "ndcg@20"}
    rows = [
        {**same, "label": label, "seed": seed, "domain": domain, "value": value}
        | {"group": group}
        for label, seeds in VALUES.items()
        for seed, values in enumerate(seeds)
        for domain, value in zip("ab", values, strict=True)
        for group in ("item_degree_0", "user_history_3_5", "all")
    ]
    return pl.DataFrame(rows, schema_overrides=dict(COLUMNS))


def test_a_gain_is_that_of_the_mean_over_domains_within_a_seed(results) -> None:
    table = gains(results, metric="ndcg@20", reference="base")
    assert set(table["group"]) == {"item_degree_0", "user_history_3_5"}
    ours = table.filter(label="ours", group="item_degree_0").row(0, named=True)
    # seed 0: .45 / .3, seed 1: .15 / .1
    assert ours["mean"] == pytest.approx(50)
    assert ours["sd"] == pytest.approx(0)
    mute = table.filter(label="mute", group="item_degree_0").row(0, named=True)
    # domain b alone: .5 / .4 and .1 / .1
    assert mute["mean"] == pytest.approx(12.5)
    assert mute["sd"] == pytest.approx(25 / 2**0.5)
    assert mute["seeds"] == 2


def test_the_panels_of_a_split_stand_side_by_side(results, tmp_path) -> None:
    splits = [results, results.with_columns(split=pl.lit("new_nodes"))]
    widths = []
    for given in (
        results,
        pl.concat([*splits, splits[0].with_columns(split=pl.lit("time"))]),
    ):
        picture, _ = draw_gains(
            given, tmp_path / "g", metric="ndcg@20", reference="base", labels=["ours"]
        )
        widths.append(re.search(r'width="([^"]+)"', picture.read_text())[1])
    assert widths[0] == widths[1]


def test_a_panel_by_item_and_one_by_user(results, tmp_path) -> None:
    labels = ["base", "ours", "mute"]
    written = draw_gains(
        results, tmp_path / "g", metric="ndcg@20", reference="base", labels=labels
    )
    assert [path.name for path in written] == ["g.svg", "g.pdf"]
    assert all(path.stat().st_size > 1000 for path in written)
