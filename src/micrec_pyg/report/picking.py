"""What picking settings by the test set would have bought: tables and a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.grid import Titled
from micrec_pyg.report.figure import PALE, ROW_INCHES, save
from micrec_pyg.report.line_figure import COLORS, legend_below
from micrec_pyg.report.model_grid import ABSENT

MEAN = "mean over models"
GROUPS = ("all", "old_user_old_item")
"""All users; and, where a model has no answer for some new nodes, what all can rank."""
KEYS = ["split", "group"]
PANEL_INCHES = 3.4
EQUAL = "#999999"

NOTE = (
    "Picked: the test value of the trial that validation picks. Best: the highest test "
    "value of any trial, which no honest search can know; so the difference is never "
    "below 0, and grows with the number of trials by luck alone. Rank: of the picked "
    "trial among all, by test. Trials that repeat settings are one."
)


def picking_table(trials: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Return what each way of picking comes to, per split, group and model.

    A group is shown where a model lacks the ones before it, with the models that
    have it.

    Args:
        trials: A row per complete trial and group: model, split, group, val, test,
            picked (whether validation picks it).
        counts: A row per search: model, split, complete, pruned, failed.

    Returns:
        Columns split, group, model, complete, pruned, failed, different (trials),
        picked, best, difference, percent, rank, spearman (null where undefined). The
        last row of each split and group is the mean over its models.
    """
    parts = []
    for split in trials["split"].unique(maintain_order=True):
        own = trials.filter(split=split)
        models = own["model"].n_unique()
        for group in GROUPS:
            part = own.filter(group=group)
            if part.height:
                rows = [
                    _row(part.filter(model=model), counts)
                    for model in part["model"].unique(maintain_order=True)
                ]
                parts.append(_with_mean(pl.DataFrame(rows, infer_schema_length=None)))
            if part["model"].n_unique() == models:
                break
    return pl.concat(parts)


def _row(own: pl.DataFrame, counts: pl.DataFrame) -> dict[str, Any]:
    """Return the row of one model."""
    place = own.select("split", "group", "model").row(0, named=True)
    counted = counts.filter(model=place["model"], split=place["split"])
    picked = float(own.filter("picked")["test"][0])
    best = float(own["test"].to_numpy().max())
    return {
        **place,
        **counted.select("complete", "pruned", "failed").row(0, named=True),
        "different": own.height,
        "picked": picked,
        "best": best,
        "difference": best - picked,
        "percent": 100 * (best / picked - 1) if picked else None,
        "rank": 1 + own.filter(pl.col("test") > picked).height,
        "spearman": _correlation("spearmanr", own["val"], own["test"]),
    }


def _with_mean(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with their mean as the last one; counts are no part of it."""
    means = ["picked", "best", "difference", "percent", "spearman"]
    own = rows.with_columns(pl.col("percent", "spearman").cast(pl.Float64))
    mean = own.select(*KEYS, pl.lit(MEAN).alias("model"), pl.col(means).mean()).head(1)
    return pl.concat([own, mean], how="diagonal")


def picking_tables(table: pl.DataFrame, metric: str) -> list[Titled]:
    """Return a table per split and group, with what became of the order of the models.

    Args:
        table: As ``picking_table`` returns it.
        metric: What selects, and what the values are.
    """
    found = []
    for split, group in table.select(KEYS).unique(maintain_order=True).iter_rows():
        own = table.filter(split=split, group=group)
        columns = own.columns[2:]
        cells = [[_text(row, name) for name in columns] for row in own.to_dicts()]
        note = f"{NOTE} {_order(own.filter(pl.col('model') != MEAN))}"
        title = f"split {split}, group {group}, test {metric}"
        numbers = range(1, len(columns))
        found.append(Titled(title, [columns, *cells], numbers, note.strip()))
    return found


def _order(rows: pl.DataFrame) -> str:
    """Return in words whether the order of the models changes."""
    if rows.height < 2:
        return ""
    tau = _correlation("kendalltau", rows["picked"], rows["best"])
    first = {
        way: rows.sort(way, descending=True, maintain_order=True)["model"][0]
        for way in ("picked", "best")
    }
    ranks = rows.select(pl.col("picked", "best").rank("min", descending=True), "model")
    moved = ranks.filter(pl.col("picked") != pl.col("best")).height
    same = first["picked"] == first["best"]
    return (
        f"The order of the {rows.height} models by both ways of picking: Kendall's tau "
        f"{ABSENT if tau is None else f'{tau:.3f}'}, {moved} of them change place; "
        + (
            f"{first['picked']} is first either way."
            if same
            else f"{first['picked']} is first by validation, {first['best']} by test."
        )
    )


def _correlation(name: str, one: pl.Series, other: pl.Series) -> float | None:
    """Return a rank correlation of scipy; None where one side is all the same."""
    from scipy import stats

    if min(one.n_unique(), other.n_unique()) < 2:
        return None
    return float(getattr(stats, name)(one.to_numpy(), other.to_numpy()).statistic)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if value is None:
        return "" if row["model"] == MEAN else ABSENT
    if name == "rank":
        return f"{value} of {row['different']}"
    digits = {"percent": 1, "spearman": 2}.get(name, 4)
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def draw_picking(
    trials: pl.DataFrame, table: pl.DataFrame, metric: str, path: Path
) -> None:
    """Write a picture: a panel per split and group, a line of trials per model.

    Args:
        trials: As for ``picking_table``.
        table: As ``picking_table`` returns it.
        metric: What the values are.
        path: Ends in .svg, .png or .pdf.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = table.filter(pl.col("model") != MEAN)
    models = own["model"].unique(maintain_order=True).to_list()
    panels = own.select(KEYS).unique(maintain_order=True).rows()
    left = max(1.6, 0.2 + 0.06 * max(map(len, models)))
    size = left + PANEL_INCHES * len(panels), ROW_INCHES * len(models) + 1.3
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    handles: dict[str, Any] = {}
    for axis, (split, group) in zip(axes, panels, strict=True):
        place = {"split": split, "group": group}
        handles = _draw(axis, trials.filter(**place), own.filter(**place), models)
        named = "" if group == GROUPS[0] else f", {group}"
        axis.set_title(f"split {split}{named}", loc="left", fontsize=9)
        axis.set_xlabel(f"test {metric}", fontsize=8)
    for axis in axes[1:]:
        axis.set_yticks(range(len(models)), [""] * len(models))
    legend_below(figure, handles)
    save(figure, path)


def _draw(
    axis: Any, trials: pl.DataFrame, rows: pl.DataFrame, models: Sequence[str]
) -> dict[str, Any]:
    """Draw the models of one panel; return what stands for each kind of point."""
    for place in range(len(models)):
        axis.axhline(place, color=PALE, linewidth=0.6, zorder=0)
    at = {model: place for place, model in enumerate(models)}
    kinds = {
        "every trial": (trials, "test", {"color": EQUAL, "marker": "|", "s": 40}),
        "picked by test": (rows, "best", {"color": COLORS[1], "marker": "D", "s": 22}),
        "picked by validation": (
            rows,
            "picked",
            {"color": COLORS[0], "marker": "o", "s": 22},
        ),
    }
    handles = {
        name: axis.scatter(own[column], [at[model] for model in own["model"]], **look)
        for name, (own, column, look) in kinds.items()
    }
    axis.set_yticks(range(len(models)), models, parse_math=False)
    axis.set_ylim(len(models) - 0.5, -0.5)
    axis.tick_params(length=0, labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
    return handles
