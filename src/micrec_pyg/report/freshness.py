"""The curve of ``micrec freshness``: as a table, and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.report.figure import save
from micrec_pyg.schema import InputError

LINES = {
    "retrained": ("trained anew at that moment", "#D55E00", "s"),
    "added": ("added, not retrained", "#0072B2", "o"),
    "nothing": ("nothing is done", "#7f7f7f", "^"),
}
"""By answers: what they are called, their colour and their mark."""


def check_metric(metric: str, known: Sequence[str]) -> None:
    """Refuse a metric that is not there.

    Raises:
        InputError: It is none of those known.
    """
    if metric not in known:
        raise InputError(f"metric {metric}: give one of {', '.join(known)}")


def curve(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return a row per period and answers: days, interactions, mean, sd, seeds.

    The mean is over seeds, of the average over the domains.

    Args:
        table: What ``runs.freshness`` returned of one run or more, one below the other.
        metric: Which column.

    Raises:
        InputError: There is no such metric.
    """
    check_metric(metric, [name for name in table.columns if "@" in name])
    per_seed = table.group_by("seed", "periods", "answers").agg(
        pl.col("days").mean(), pl.col("interactions").sum(), pl.col(metric).mean()
    )
    return (
        per_seed.group_by("periods", "answers")
        .agg(
            pl.col("days").mean(),
            pl.col("interactions").mean().cast(pl.Int64),
            mean=pl.col(metric).mean(),
            sd=pl.col(metric).std(),
            seeds=pl.len(),
        )
        .sort("periods", "answers")
    )


def freshness_grid(points: pl.DataFrame) -> list[list[str]]:
    """Return the table of a curve as cells, its head first.

    The last column is what additions keep of the gain of training anew.

    Args:
        points: What ``curve`` returned.
    """
    head = ["periods", "days", "interactions", *LINES, "share of the gain"]
    rows = [head]
    for period in points["periods"].unique().sort():
        own = {row["answers"]: row for row in points.filter(periods=period).to_dicts()}
        first = own["added"]
        days = "-" if first["days"] is None else f"{first['days']:.1f}"
        values = [_value(own[name]) for name in LINES]
        rows.append(
            [
                str(period),
                days,
                f"{first['interactions']:,}",
                *values,
                _share(*(own[name]["mean"] for name in LINES)),
            ]
        )
    return rows


def _value(row: dict[str, Any]) -> str:
    sd = "" if row["sd"] is None else f" ± {row['sd']:.4f}"
    return f"{row['mean']:.4f}{sd}"


def _share(retrained: float, added: float, nothing: float) -> str:
    gain = retrained - nothing
    return "-" if gain <= 0 else f"{(added - nothing) / gain:.0%}"


def draw_curve(points: pl.DataFrame, paths: Sequence[Path], *, metric: str) -> None:
    """Write the picture of a curve; the same curve gives the same bytes.

    Args:
        points: What ``curve`` returned.
        paths: Files that end in .svg, .png or .pdf.
        metric: What the values are.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    timed = points["days"].null_count() == 0
    for answers, (label, color, mark) in LINES.items():
        own = points.filter(answers=answers)
        drawn = axis.errorbar(
            own["days" if timed else "interactions"],
            own["mean"],
            yerr=own["sd"].fill_null(0.0),
            label=label,
            color=color,
            marker=mark,
            ms=5,
            capsize=2,
        )
        drawn.lines[0].set_gid(f"line {answers}")
    axis.set_xlabel("days since training" if timed else "interactions since training")
    axis.set_ylabel(metric)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)
    for path in paths:
        save(figure, path)
