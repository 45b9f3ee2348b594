"""Swept settings: a heat map and a table per pair of them."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev

import polars as pl

from micrec_pyg.report.heat_figure import MOST_PAIRS, ordered
from micrec_pyg.report.html.blocks import Block, Heading, Table, Text, plain, spread
from micrec_pyg.report.html.charts import heat_map


def pairs_of_axes(runs: pl.DataFrame, axes: Sequence[str], *, name: str) -> list[Block]:
    """Return a heat map and a table per pair of settings with several values.

    A cell is the mean over all runs that have its two values: over the seeds, and over
    the values of the other settings.

    Args:
        runs: A row per run: a column of text per setting, and ``value``.
        axes: The settings.
        name: Of the value.
    """
    several = [axis for axis in axes if runs[axis].n_unique() > 1]
    pairs = list(combinations(several, 2))
    blocks: list[Block] = []
    for down, across in pairs[:MOST_PAIRS]:
        blocks += _pair(runs, down, across, name)
    if len(pairs) > MOST_PAIRS:
        left = "; ".join(" and ".join(pair) for pair in pairs[MOST_PAIRS:])
        blocks.append(Text([f"Further pairs are not drawn: {left}."]))
    return blocks


def _pair(runs: pl.DataFrame, down: str, across: str, name: str) -> list[Block]:
    orders = ordered(runs[across].to_list()), ordered(runs[down].to_list())
    found: dict[tuple[str, str], list[float]] = {}
    for x, y, value in runs.select(across, down, "value").iter_rows():
        found.setdefault((x, y), []).append(value)
    rows = [
        {
            "x": x,
            "y": y,
            "value": fmean(values),
            "sd": stdev(values) if len(values) > 1 else None,
            "runs": len(values),
        }
        for (x, y), values in found.items()
    ]
    title = f"{down} and {across}"
    chart = heat_map(
        f"{name}, mean over the runs with both values",
        rows,
        names=(across, down, name),
        orders=orders,
    )
    cells = [
        [plain(y), *(spread(found.get((x, y), [])) for x in orders[0])]
        for y in orders[1]
    ]
    caption = f"{name}: {down} down, {across} across; mean ± sd over the runs"
    table = Table(caption, [down, *orders[0]], cells)
    return [Heading(title), chart, table]
