"""Two swept settings as a heat map, written as a picture."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from micrec_pyg.report.figure import save

MOST_PAIRS = 15
"""Heat maps of one sweep."""
CELL_INCHES = 0.62


def draw_pairs(
    runs: pl.DataFrame, axes: Sequence[str], path: Path, *, name: str
) -> list[Path]:
    """Return the pictures written, as SVG and PDF: one per pair of settings.

    A cell is the mean over all runs that have its two values, as on the pages.

    Args:
        runs: A row per run: a column of text per setting, and ``value``.
        axes: The settings; those with one value are left out.
        path: What the pictures' names begin with; its ending is left out.
        name: Of the value.
    """
    several = [axis for axis in axes if runs[axis].n_unique() > 1]
    written = []
    for down, across in list(combinations(several, 2))[:MOST_PAIRS]:
        figure = _figure(runs, down, across, name)
        end = f"{down}-{across}".replace("/", "-")
        for ending in (".svg", ".pdf"):
            written.append(path.with_name(f"{path.stem}-{end}{ending}"))
            save(figure, written[-1])
    return written


def cells(
    runs: pl.DataFrame, down: str, across: str
) -> tuple[list[str], list[str], dict[tuple[str, str], list[float]]]:
    """Return the values of both settings, and those of the runs of each pair."""
    rows, columns = ordered(runs[down].to_list()), ordered(runs[across].to_list())
    found: dict[tuple[str, str], list[float]] = {}
    for y, x, value in runs.select(down, across, "value").iter_rows():
        found.setdefault((y, x), []).append(value)
    return rows, columns, found


def means(
    runs: pl.DataFrame, down: str, across: str
) -> tuple[list[str], list[str], list[list[float]]]:
    """Return the values of both settings, and the mean of each pair, NaN for none."""
    rows, columns, found = cells(runs, down, across)
    table = [
        [fmean(found[y, x]) if (y, x) in found else float("nan") for x in columns]
        for y in rows
    ]
    return rows, columns, table


def ordered(values: Sequence[str]) -> list[str]:
    """Return different values in order: of size if all are numbers, else of letters."""
    different = sorted({*values})
    key: Callable[[str], float] = float
    try:
        return sorted(different, key=key)
    except ValueError:
        return different


def _figure(runs: pl.DataFrame, down: str, across: str, name: str) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns, table = means(runs, down, across)
    size = CELL_INCHES * len(columns) + 2.2, CELL_INCHES * len(rows) + 1.1
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    image = axis.imshow(table, cmap="cividis", aspect="auto")
    known = [value for row in table for value in row if value == value]
    middle = (min(known) + max(known)) / 2
    for y, row in enumerate(table):
        for x, value in enumerate(row):
            if value == value:
                color = "white" if value <= middle else "black"
                shown = axis.text(x, y, f"{value:.4f}", color=color, fontsize=7)
                shown.set(ha="center", va="center")
    axis.set_xticks(range(len(columns)), columns, parse_math=False)
    axis.set_yticks(range(len(rows)), rows, parse_math=False)
    axis.set_xlabel(across)
    axis.set_ylabel(down)
    figure.colorbar(image, label=name)
    return figure
