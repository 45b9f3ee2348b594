"""Swept settings: a heat map and a table per pair of them."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev

import polars as pl

from micrec_pyg.report.heat_figure import MOST_PAIRS, cells
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
    rows, columns, found = cells(runs, down, across)
    values = [
        {
            "x": x,
            "y": y,
            "value": fmean(own),
            "sd": stdev(own) if len(own) > 1 else None,
            "runs": len(own),
        }
        for (y, x), own in found.items()
    ]
    chart = heat_map(
        f"{name}, mean over the runs with both values",
        values,
        names=(across, down, name),
        orders=(columns, rows),
    )
    body = [[plain(y), *(spread(found.get((y, x), [])) for x in columns)] for y in rows]
    caption = f"{name}: {down} down, {across} across; mean ± sd over the runs"
    table = Table(caption, [down, *columns], body)
    return [Heading(f"{down} and {across}"), chart, table]
