"""A metric against a swept setting: a panel per split and group, a line per model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.report.figure import PANEL_INCHES, NothingToDrawError, Panel, save
from micrec_pyg.report.tables import aggregate
from micrec_pyg.runs.averages import AVERAGE

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by people who do not see all colours (Okabe and Ito)."""
HEIGHT_INCHES = 2.6
COLUMN_INCHES = 2.8
"""Of a legend: room for the longest name of a model."""


@dataclass(frozen=True)
class Point:
    """Where a label stands in a figure of lines."""

    line: str
    """Its name in the legend."""
    x: float | None
    """Its value of the swept setting; None: the line has no sweep."""


@dataclass(frozen=True)
class Line:
    """One line of one panel."""

    name: str
    x: Sequence[float]
    """Ascending; empty for a level that holds everywhere."""
    mean: Sequence[float]
    sd: Sequence[float]
    """0 where there is one seed."""


def draw_lines(
    results: pl.DataFrame,
    path: Path,
    *,
    panels: Sequence[Panel],
    points: Mapping[str, Point],
    axis: str,
) -> list[Path]:
    """Return the pictures written, as SVG and as PDF.

    Values are means over seeds of the average over domains, with their standard
    deviation. The values of the swept setting stand at equal distances. The same
    results give the same bytes.

    Args:
        results: As ``collect`` returns it, of one data set.
        path: Its ending is replaced.
        panels: From left to right; one without a value is left out.
        points: By label; their order is that of the legend.
        axis: Name of the swept setting.

    Raises:
        NothingToDrawError: No panel has a value.
    """
    table = aggregate(
        results,
        metrics=sorted({panel.metric for panel in panels}),
        groups=sorted({panel.group for panel in panels}),
    ).filter(domain=AVERAGE)
    found = {panel: lines_of(table, panel, points) for panel in panels}
    shown = {title_of(panel): lines for panel, lines in found.items() if lines}
    if not shown:
        raise NothingToDrawError(f"{path}: no model has a value for this picture")
    return draw_panels(shown, path, axis=axis, metric=panels[0].metric)


def title_of(panel: Panel) -> str:
    """Return the title of a panel."""
    group = "" if panel.group == "all" else f", {panel.group}"
    return f"split {panel.split}{group}, {panel.metric}"


def lines_of(
    table: pl.DataFrame, panel: Panel, points: Mapping[str, Point]
) -> list[Line]:
    """Return the lines of one panel that have a value.

    Args:
        table: As ``aggregate`` returns it, of one domain.
        panel: What is shown.
        points: By label.
    """
    own = table.filter(split=panel.split, group=panel.group, metric=panel.metric)
    values = {
        label: (mean, sd or 0.0)
        for label, mean, sd in own.select("label", "mean", "sd").iter_rows()
    }
    by_line: dict[str, list[tuple[float | None, float, float]]] = {}
    for label, point in points.items():
        if label in values and values[label][0] is not None:
            by_line.setdefault(point.line, []).append((point.x, *values[label]))
    lines = []
    for name, rows in by_line.items():
        placed = sorted((x, mean, sd) for x, mean, sd in rows if x is not None)
        if not placed:
            lines.append(Line(name, (), [rows[0][1]], [rows[0][2]]))
            continue
        x, mean, sd = zip(*placed, strict=True)
        lines.append(Line(name, x, mean, sd))
    return lines


def draw_panels(
    panels: Mapping[str, Sequence[Line]],
    path: Path,
    *,
    axis: str,
    metric: str,
    ticks: Mapping[float, str] | None = None,
    across: int | None = None,
) -> list[Path]:
    """Return the pictures written, as SVG and as PDF.

    Args:
        panels: Lines by the title of their panel.
        path: Its ending is replaced.
        axis: Name of the x axis.
        metric: Name of the y axis.
        ticks: What stands at a value of the x axis; None: the value.
        across: Panels side by side; None: two or three, by their number.
    """
    figure, axes = panels_of(len(panels), across)
    _draw_all(figure, axes, panels, axis=axis, metric=metric, ticks=ticks or {})
    written = [path.with_suffix(ending) for ending in (".svg", ".pdf")]
    for picture in written:
        save(figure, picture)
    return written


def panels_of(number: int, across: int | None = None) -> tuple[Any, list[Any]]:
    """Return a figure of matplotlib and its panels.

    Args:
        number: Of the panels.
        across: How many stand side by side; None: two or three.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = across or (2 if number == 4 else min(number, 3))
    down = -(-number // across)
    size = PANEL_INCHES * across + 0.4, HEIGHT_INCHES * down + 0.7
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for axis in axes[number:]:
        axis.set_axis_off()
    for axis in axes[:number]:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[:number]


def legend_below(figure: Any, handles: Mapping[str, Any]) -> None:
    """Put one legend of all panels under them.

    Args:
        figure: Of matplotlib.
        handles: What stands for each name.
    """
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=max(1, int(figure.get_figwidth() / COLUMN_INCHES)),
        fontsize=8,
        frameon=False,
    )


def _draw_all(
    figure: Any,
    axes: Sequence[Any],
    panels: Mapping[str, Sequence[Line]],
    *,
    axis: str,
    metric: str,
    ticks: Mapping[float, str],
) -> None:
    """Draw the lines of every panel, and one legend of all."""
    names = dict.fromkeys(line.name for lines in panels.values() for line in lines)
    looks = {name: look(place) for place, name in enumerate(names)}
    handles: dict[str, Any] = {}
    for drawn, (title, lines) in zip(axes, panels.items(), strict=True):
        places = _places(lines)
        for line in lines:
            handles[line.name] = _draw(drawn, line, places, *looks[line.name])
        drawn.set_title(title, loc="left", fontsize=9)
        drawn.set_xticks(
            list(places.values()), [ticks.get(x, f"{x:g}") for x in places]
        )
        drawn.set_xlabel(axis)
    axes[0].set_ylabel(metric)
    legend_below(figure, handles)


def look(place: int) -> tuple[str, str]:
    """Return colour and style of a line by its place in the legend."""
    styles = ("-", "--", ":", "-.")
    return COLORS[place % len(COLORS)], styles[place // len(COLORS) % len(styles)]


def _places(lines: Sequence[Line]) -> dict[float, int]:
    """Return where each value of the x axis of a panel stands."""
    values = {x for line in lines for x in line.x}
    return {x: place for place, x in enumerate(sorted(values))}


def _draw(
    drawn: Any, line: Line, places: Mapping[float, int], color: str, style: str
) -> Any:
    """Draw one line; return what stands for it in the legend."""
    if not line.x:
        return drawn.axhline(line.mean[0], color=color, linestyle=(0, (1, 1)))
    x = [places[value] for value in line.x]
    low = [mean - sd for mean, sd in zip(line.mean, line.sd, strict=True)]
    high = [mean + sd for mean, sd in zip(line.mean, line.sd, strict=True)]
    drawn.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    (handle,) = drawn.plot(x, line.mean, marker="o", ms=4, color=color, linestyle=style)
    return handle
