"""The page of a sweep, of jobs as `micrec sweep` gives them."""

from itertools import product

import polars as pl

from micrec_pyg.report.html.blocks import Section
from micrec_pyg.report.html.sweep import sweep_page

AXES = ["K", "lr", "seed"]


def _axes(rows: list[dict[str, object]]) -> str:
    jobs = (
        pl.DataFrame(rows)
        .with_row_index("job")
        .with_columns(
            seconds=1.0,
            run=pl.lit("no folder"),
            error=pl.lit(None, pl.String),
            task=pl.lit(""),
        )
    )
    page = sweep_page(
        jobs,
        AXES,
        metric="ndcg@5",
        seed="seed",
        name="s",
        places=[],
        verdict=["The best."],
    )
    [found] = [each for each in page.sections if each.title == "Axes"]
    assert isinstance(found, Section)
    return repr(found)


def test_a_value_that_is_given_twice_counts_once() -> None:
    asked = enumerate(product("03", ("0.1", "0.2"), "01"))
    rows: list[dict[str, object]] = [
        {**dict(zip(AXES, values, strict=True)), "ndcg@5": 0.1 * n}
        for n, values in asked
    ]
    again = [row for row in rows if row["seed"] == "0"]
    assert _axes([*rows, *again]) == _axes(rows)
    assert _axes(rows[:-1]) != _axes(rows)
