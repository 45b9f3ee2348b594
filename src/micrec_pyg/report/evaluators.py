"""Tables and figure of one positive among others, under several rules for ties."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.evaluation.one_positive import RULES
from micrec_pyg.grid import Titled
from micrec_pyg.report.figure import PALE, ROW_INCHES, save
from micrec_pyg.report.line_figure import COLORS, legend_below
from micrec_pyg.report.model_grid import ABSENT
from micrec_pyg.report.support import in_every_run
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.runs.evaluators import (
    ALL_TIED,
    CONSTANT,
    CUT,
    EQUALS,
    EVERY,
    FULL,
    OTHERS,
    SAMPLED,
    TIED,
)

CONSTANT_ROW = "A constant score"
"""Label of the reference that needs no model."""
KEYS = ["label", "split", "domain", "group", "candidates", "rule", "metric"]
METRICS = (f"hit@{CUT}", f"ndcg@{CUT}", "mrr")
MARKERS = ("o", "s", "v")
PANEL_INCHES = 2.6

RULE_NOTE = (
    "A test item is ranked alone, among negatives that are drawn for it or among every "
    "item that its user never had; mean over test pairs. Equal scores count for the "
    "positive (it stands first among them), at random (the exact expectation), or "
    "against it. Behind it the run's own full ranking of this project: all positives "
    "of a user in one list, mean over users."
)
TIE_NOTE = (
    "Share of test pairs whose positive has exactly the score of a negative, share "
    "whose positive has the score of all of them, and mean number of equals, of so "
    "many negatives."
)


def evaluators_table(runs: Mapping[tuple[str, str, int], pl.DataFrame]) -> pl.DataFrame:
    """Return mean and sd over seeds, per domain and as the average over domains.

    The constant score is a row of its own, taken from the first run of each seed: its
    values follow from the numbers of negatives alone.

    Args:
        runs: By label, split and seed: what ``measure_evaluators`` returned.

    Returns:
        Columns ``KEYS``, mean, sd (null for one seed), seeds, pairs (mean over seeds).
    """
    parts, have = [], set()
    for (label, split, seed), frame in runs.items():
        place = {"split": pl.lit(split), "seed": pl.lit(seed)}
        own = frame.with_columns(label=pl.lit(label), **place)
        parts.append(own.filter(pl.col("scores") != CONSTANT))
        if (split, seed) not in have:
            have.add((split, seed))
            constant = own.filter(scores=CONSTANT)
            parts.append(constant.with_columns(label=pl.lit(CONSTANT_ROW)))
    rows = pl.concat(parts).select(*KEYS, "seed", "pairs", "value")
    keys = [key for key in KEYS if key != "domain"]
    average = (
        in_every_run(rows, "split")
        .group_by(*keys, "seed", maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("pairs").sum())
        .with_columns(domain=pl.lit(AVERAGE))
    )
    return (
        pl.concat([average.select(rows.columns), rows])
        .group_by(KEYS, maintain_order=True)
        .agg(
            pl.col("value").mean().alias("mean"),
            pl.col("value").std().alias("sd"),
            pl.col("seed").n_unique().alias("seeds"),
            pl.col("pairs").mean(),
        )
    )


def evaluators_tables(table: pl.DataFrame, labels: Sequence[str]) -> list[Titled]:
    """Return per split and domain a table for each metric, then one of the ties.

    Args:
        table: As ``evaluators_table`` returns it.
        labels: Rows, in this order; the constant score stands above them.
    """
    found = []
    rows = [CONSTANT_ROW, *labels]
    for split, domain in (
        table.select("split", "domain").unique(maintain_order=True).iter_rows()
    ):
        own = table.filter(split=split, domain=domain)
        every = own.filter(group="all")
        found += [
            _by_rule(every, rows, metric, f"split {split}, {domain}")
            for metric in METRICS
        ]
        found.append(_ties(own, rows, f"split {split}, {domain}"))
    return found


def draw_evaluators(
    table: pl.DataFrame, labels: Sequence[str], path: Path
) -> list[Path]:
    """Return the pictures written: a panel per split and kind of candidates.

    A point is the hit rate of a row under one rule, average over domains, a line its
    standard deviation over seeds.

    Args:
        table: As ``evaluators_table`` returns it.
        labels: Rows, from top to bottom below the constant score.
        path: Its ending is replaced.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = table.filter(domain=AVERAGE, group="all", metric=METRICS[0])
    splits = own["split"].unique(maintain_order=True).to_list()
    names = [CONSTANT_ROW, *labels]
    height = len(splits) * (ROW_INCHES * len(names) + 0.9) + 0.4
    left = max(1.6, 0.2 + 0.06 * max(map(len, names)))
    figure = Figure(figsize=(left + 2 * PANEL_INCHES, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(splits), 2, squeeze=False)
    handles: dict[str, Any] = {}
    for row, split in zip(axes, splits, strict=True):
        for axis, candidates in zip(row, (SAMPLED, EVERY), strict=True):
            part = own.filter(split=split, candidates=candidates)
            handles |= _draw_panel(axis, part, names)
            axis.set_title(f"split {split}, {candidates}", loc="left", fontsize=9)
        row[1].set_yticks(range(len(names)), [""] * len(names))
    legend_below(figure, handles)
    written = [path.with_suffix(ending) for ending in (".svg", ".pdf")]
    for picture in written:
        save(figure, picture)
    return written


def _draw_panel(axis: Any, part: pl.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Draw a point per row and rule; return what stands for each rule."""
    handles = {}
    looks = zip(RULES, COLORS, MARKERS, (-0.2, 0.0, 0.2), strict=False)
    for rule, color, marker, shift in looks:
        values = {row["label"]: row for row in part.filter(rule=rule).to_dicts()}
        found = [(place, values[n]) for place, n in enumerate(names) if n in values]
        handles[f"equal scores {rule}"] = axis.errorbar(
            [row["mean"] for _, row in found],
            [place + shift for place, _ in found],
            xerr=[row["sd"] or 0.0 for _, row in found],
            fmt=marker,
            color=color,
            ms=4,
        )
    for place in range(len(names)):
        axis.axhline(place, color=PALE, linewidth=0.6, zorder=0)
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(-0.03, 1.03)
    axis.tick_params(length=0, labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_xlabel(METRICS[0], fontsize=8)
    return handles


def _by_rule(
    own: pl.DataFrame, labels: Sequence[str], metric: str, place: str
) -> Titled:
    """Return the table of one metric: rules across, and the full ranking behind."""
    columns: list[tuple[str, str | None, str]] = [
        (c, rule, metric) for c in (SAMPLED, EVERY) for rule in RULES
    ]
    full = own.filter(candidates=FULL)["metric"].unique(maintain_order=True)
    columns += [(FULL, None, name) for name in full]
    heads = [f"{c}: {rule or name}" for c, rule, name in columns]
    cells = _cells(own)
    rows = [
        [label, *(cells.get((label, *column), ABSENT) for column in columns)]
        for label in labels
    ]
    pairs = _pairs(own)
    note = f"{RULE_NOTE} Test pairs: {pairs:.0f} (mean over seeds)."
    title = f"{place}, {metric} of one positive"
    return Titled(title, [["model", *heads], *rows], range(1, len(heads) + 1), note)


def _ties(own: pl.DataFrame, labels: Sequence[str], place: str) -> Titled:
    """Return how many positives have equals, by group of users."""
    columns = [
        (candidates, None, name)
        for candidates in (SAMPLED, EVERY)
        for name in (TIED, ALL_TIED, EQUALS, OTHERS)
    ]
    heads = [f"{candidates}: {name}" for candidates, _, name in columns]
    rows = [["users", "pairs", "model", *heads]]
    for group in own["group"].unique(maintain_order=True):
        part = own.filter(group=group)
        cells, pairs = _cells(part), _pairs(part)
        rows += [
            [
                group,
                f"{pairs:.0f}",
                label,
                *(cells.get((label, *column), ABSENT) for column in columns),
            ]
            for label in labels
        ]
    right = [1, *range(3, 3 + len(heads))]
    return Titled(f"{place}, equal scores", rows, right, TIE_NOTE)


def _pairs(own: pl.DataFrame) -> float:
    """Return how many test pairs there are, mean over seeds."""
    return float(own.filter(candidates=EVERY)["pairs"].to_numpy().max())


def _cells(own: pl.DataFrame) -> dict[tuple[str, str, str | None, str], str]:
    """Return the text of each value by label, candidates, rule and metric."""
    return {
        (row["label"], row["candidates"], row["rule"], row["metric"]): _cell(row)
        for row in own.to_dicts()
    }


def _cell(row: Mapping[str, Any]) -> str:
    digits = 1 if row["metric"] in (EQUALS, OTHERS) else 4
    mean = f"{row['mean']:.{digits}f}"
    return mean if row["sd"] is None else f"{mean} ± {row['sd']:.{digits}f}"
