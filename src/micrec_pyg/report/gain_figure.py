"""The gain over one model, by interactions of the item and by history of the user."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.report.line_figure import Line, draw_panels

BANDS = ("0", "1_2", "3_5", "6_10", "11_")
"""Ends of the names of groups, in their order (docs/metrics.md)."""
SIDES: Mapping[str, str] = {
    "item_degree": "interactions of the item",
    "user_history": "history of the user",
}
"""Beginnings of the names of groups, and what they go by."""


def gains(results: pl.DataFrame, *, metric: str, reference: str) -> pl.DataFrame:
    """Return the gain of every label over a reference, in percent, by group.

    A seed's value is the mean over the domains that have one for both; its gain is
    taken within the seed.

    Args:
        results: As ``collect`` returns them, of one data set.
        metric: Name.
        reference: Label that the others are compared with.

    Returns:
        Columns split, group, label, mean, sd (0 for one seed), seeds.
    """
    keys = ["split", "group", "domain", "seed"]
    rows = results.filter(
        pl.col("group").is_in(_groups()), part="test", metric=metric
    ).drop_nulls("value")
    own = rows.filter(label=reference).select(*keys, base="value")
    return (
        rows.filter(pl.col("label") != reference)
        .join(own, on=keys)
        .group_by("split", "group", "label", "seed", maintain_order=True)
        .agg(pl.col("value", "base").mean())
        .filter(pl.col("base") > 0)
        .with_columns(gain=100 * (pl.col("value") / pl.col("base") - 1))
        .group_by("split", "group", "label", maintain_order=True)
        .agg(
            pl.col("gain").mean().alias("mean"),
            pl.col("gain").std().fill_null(0.0).alias("sd"),
            pl.len().alias("seeds"),
        )
    )


def draw_gains(
    results: pl.DataFrame,
    path: Path,
    *,
    metric: str,
    reference: str,
    labels: Sequence[str],
) -> list[Path]:
    """Return the pictures written: per split a panel by item and one by user.

    Args:
        results: As for ``gains``.
        path: Its ending is replaced by .svg and .pdf.
        metric: Name.
        reference: Label that the others are compared with.
        labels: Of the lines, in their order.
    """
    table = gains(results, metric=metric, reference=reference)
    panels = {}
    for split in table["split"].unique(maintain_order=True):
        for side, words in SIDES.items():
            own = table.filter(split=split)
            lines = [_line(own, side, label) for label in labels if label != reference]
            panels[f"{split}, {words}"] = [
                *(line for line in lines if line.x),
                Line(reference, (), (0.0,), (0.0,)),
            ]
    ticks = {float(place): band_text(band) for place, band in enumerate(BANDS)}
    return draw_panels(
        panels,
        path,
        axis="interactions known",
        metric=f"{metric}, % over {reference}",
        ticks=ticks,
        across=len(SIDES),
    )


def band_text(band: str) -> str:
    """Return ``3-5`` for ``3_5``, and ``11+`` for ``11_``."""
    low, sign, high = band.partition("_")
    return f"{low}-{high}" if high else f"{low}{'+' if sign else ''}"


def _groups() -> list[str]:
    return [f"{side}_{band}" for side in SIDES for band in BANDS]


def _line(table: pl.DataFrame, side: str, label: str) -> Line:
    """Return the line of a label over the bands that it has a value in."""
    rows = {
        row["group"].removeprefix(f"{side}_"): row
        for row in table.filter(label=label).to_dicts()
        if row["group"].startswith(side)
    }
    found = [
        (float(place), rows[band]["mean"], rows[band]["sd"])
        for place, band in enumerate(BANDS)
        if band in rows
    ]
    x, mean, sd = zip(*found, strict=True) if found else ((), (), ())
    return Line(label, x, mean, sd)
