"""The results of several models as one picture: a panel per split and group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.report.names import Names
from micrec_pyg.report.tables import aggregate
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import whole

COLOR, PALE = "#0072B2", "#d9d9d9"
GROUPS = ("all", "new_user", "new_item")
"""What ``draw_study`` draws."""
LONGEST = 48
"""Characters of a name in ``draw_study``."""
ROW_INCHES, PANEL_INCHES = 0.28, 3.1


class NothingToDrawError(InputError):
    """A picture would have no value in it."""


@dataclass(frozen=True)
class Panel:
    """What one part of the picture shows."""

    split: str
    group: str
    metric: str


def draw(
    results: pl.DataFrame,
    path: Path,
    *,
    panels: Sequence[Panel],
    names: Mapping[str, str],
    part: str = "test",
) -> list[Panel]:
    """Write a picture and return the panels that it has, those with a value.

    A point is the mean over seeds of the average over domains, a line its standard
    deviation. A model without an answer has no point. The same results give the same
    bytes.

    Args:
        results: As ``collect`` returns it, of one data set.
        path: A file that ends in .svg, .png or .pdf.
        panels: From left to right, two rows at most.
        names: Label -> printed name, from top to bottom.
        part: ``val`` or ``test``.

    Raises:
        InputError: The file's ending is none of these.
        NothingToDrawError: No panel has a value.
    """
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise InputError(f"{path}: give a file that ends in .svg, .png or .pdf")
    table = aggregate(
        results,
        metrics=sorted({panel.metric for panel in panels}),
        groups=sorted({panel.group for panel in panels}),
        part=part,
    ).filter(domain=AVERAGE)
    rows = {panel: _rows(table, panel, names) for panel in panels}
    shown = [panel for panel in panels if rows[panel]]
    if not shown:
        raise NothingToDrawError(f"{path}: no model has a value for this picture")
    save(_figure([(panel, rows[panel]) for panel in shown], list(names.values())), path)
    return shown


def draw_study(
    results: pl.DataFrame, path: Path, *, metric: str, part: str
) -> list[Path]:
    """Return the pictures written: a panel per split, as SVG and as PDF.

    There is one per data set and group: all, and new users and new items where a
    model has a value for them.

    Args:
        results: As ``collect`` returns it.
        path: What the pictures' names begin with; its ending is left out.
        metric: What is drawn.
        part: ``val`` or ``test``.

    Raises:
        InputError: No run has this part, or the metric.
    """
    table = aggregate(results, metrics=[metric], groups=GROUPS, part=part)
    found = table.filter(domain=AVERAGE).select("dataset", "group", "split").unique()
    written, name_of = [], Names(r"\w.-")
    for (dataset, group), rows in found.sort("*").group_by(
        ["dataset", "group"], maintain_order=True
    ):
        own = results.filter(dataset=dataset)
        labels = own.filter(part=part)["label"].unique().sort()
        panels = [Panel(split, str(group), metric) for split in rows["split"]]
        name = name_of(f"{path.stem}-{dataset}-{group}")
        for ending in (".svg", ".pdf"):
            picture = path.with_name(f"{name}{ending}")
            names = {label: _short(label) for label in labels}
            draw(own, picture, panels=panels, names=names, part=part)
            written.append(picture)
    return written


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def _rows(
    table: pl.DataFrame, panel: Panel, names: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation (0 for one seed) by printed name."""
    own = table.filter(split=panel.split, group=panel.group, metric=panel.metric)
    found = {
        label: (mean, sd or 0.0)
        for label, mean, sd in own.select("label", "mean", "sd").iter_rows()
    }
    return {
        names[label]: value
        for label, value in found.items()
        if label in names and value[0] is not None
    }


def _figure(
    panels: Sequence[tuple[Panel, Mapping[str, tuple[float, float]]]],
    models: Sequence[str],
) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = len({panel.split for panel, _ in panels})
    down = -(-len(panels) // across)
    height = down * (ROW_INCHES * len(models) + 0.9)
    # long names need room beside the panels
    left = max(1.6, 0.2 + 0.06 * max(map(len, models)))
    size = left + PANEL_INCHES * across, height
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, squeeze=False).flat
    for place, axis in enumerate(axes):
        if place >= len(panels):
            axis.set_axis_off()
            continue
        _draw_panel(axis, *panels[place], models, labelled=place % across == 0)
    return figure


def _draw_panel(
    axis: Any,
    panel: Panel,
    rows: Mapping[str, tuple[float, float]],
    models: Sequence[str],
    *,
    labelled: bool,
) -> None:
    for place, model in enumerate(models):
        axis.axhline(place, color=PALE, linewidth=0.6, zorder=0)
        if model in rows:
            mean, sd = rows[model]
            drawn = axis.errorbar(mean, place, xerr=sd, fmt="o", color=COLOR, ms=5)
            drawn.lines[0].set_gid(f"point {model}")
    shown = models if labelled else [""] * len(models)
    axis.set_yticks(range(len(models)), shown, parse_math=False)
    axis.set_ylim(len(models) - 0.5, -0.5)
    axis.tick_params(length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    group = "" if panel.group == "all" else f", {panel.group}"
    axis.set_title(f"split {panel.split}{group}", loc="left", fontsize=10)
    axis.set_xlabel(panel.metric)


def save(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib whole or not at all; equal figures, equal bytes.

    Args:
        figure: Of matplotlib.
        path: Ends in .svg, .png or .pdf.
    """
    import matplotlib

    # without a date, and with fixed names inside: equal results, equal bytes
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    # 42: letters as TrueType within the PDF, which journals ask for
    with (
        whole(path) as part,
        matplotlib.rc_context({"svg.hashsalt": "micrec_pyg", "pdf.fonttype": 42}),
    ):
        figure.savefig(part, dpi=150, metadata=metadata)
