"""Validation and losses per epoch, as pictures and as a table of how runs ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from micrec_pyg.report.figure import save
from micrec_pyg.report.line_figure import legend_below, look, panels_of
from micrec_pyg.runs.read import Run

LOSS = "loss/"
VALIDATION = "validation"

Curve = tuple[Sequence[int], Sequence[float]]
"""Epochs, ascending, and a value of each."""


def curves_of(run: Run) -> dict[str, Curve]:
    """Return what a run has per epoch: validation, and every loss term by its name.

    Validation is the metric that selects, mean over the domains. A run of a model that
    is not trained has nothing.
    """
    if not run.has_history:
        return {}
    rows = run.history
    if rows.is_empty() or "epoch" not in rows.columns:
        return {}
    metric = str((run.config.get("fit") or {}).get("metric", "ndcg@20"))
    judged = [
        name
        for name in rows.columns
        if name.startswith("val/") and name.endswith(f"/{metric}")
    ]
    columns = {
        name.removeprefix(LOSS): pl.col(name)
        for name in rows.columns
        if name.startswith(LOSS)
    }
    if judged:
        columns = {VALIDATION: pl.mean_horizontal(judged), **columns}
    found: dict[str, Curve] = {}
    for name, column in columns.items():
        values = rows.select("epoch", value=column.cast(pl.Float64)).drop_nulls()
        epochs, numbers = values["epoch"].to_list(), values["value"].to_list()
        found[name] = (epochs, numbers)
    return found


def draw_curves(runs: Mapping[str, Sequence[Run]], path: Path) -> list[Path]:
    """Return the pictures written, as SVG and as PDF: none where no run has epochs.

    A panel for the validation and one for each loss term, a line per run in the colour
    of its label, a dot at the selected epoch.

    Args:
        runs: By label; their order is that of the legend.
        path: Its ending is replaced.
    """
    found = {
        label: [(run, curves_of(run)) for run in own] for label, own in runs.items()
    }
    names = dict.fromkeys(
        name for own in found.values() for _, curves in own for name in curves
    )
    if not names:
        return []
    figure = _figure(found, list(names))
    written = [path.with_suffix(ending) for ending in (".svg", ".pdf")]
    for picture in written:
        save(figure, picture)
    return written


def ends(runs: Mapping[str, Sequence[Run]]) -> pl.DataFrame:
    """Return how training went: a row per label, means over its runs.

    Columns: label, runs, epochs, best_epoch, then of every curve its value in the first
    and in the last epoch; null where there is none.
    """
    rows = []
    for label, own in runs.items():
        curves = [curves_of(run) for run in own]
        row: dict[str, Any] = {
            "label": label,
            "runs": len(own),
            "epochs": _mean([run.record.get("epochs") for run in own]),
            "best_epoch": _mean([run.record.get("best_epoch") for run in own]),
        }
        for name in dict.fromkeys(name for each in curves for name in each):
            values = [each[name][1] for each in curves if name in each]
            row[f"{name}, first"] = _mean([each[0] for each in values])
            row[f"{name}, last"] = _mean([each[-1] for each in values])
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None


def _figure(
    found: Mapping[str, Sequence[tuple[Run, Mapping[str, Curve]]]],
    names: Sequence[str],
) -> Any:
    figure, axes = panels_of(len(names))
    handles: dict[str, Any] = {}
    for place, (label, own) in enumerate(found.items()):
        for run, curves in own:
            for axis, name in zip(axes, names, strict=True):
                if name in curves:
                    handles[label] = _draw(axis, curves[name], run, *look(place))
    for axis, name in zip(axes, names, strict=True):
        axis.set_title(name, loc="left", fontsize=9)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    legend_below(figure, handles)
    return figure


def _draw(axis: Any, curve: Curve, run: Run, color: str, style: str) -> Any:
    epochs, values = curve
    numbers = [epoch + 1 for epoch in epochs]  # people count from 1
    (line,) = axis.plot(numbers, values, color=color, linestyle=style, linewidth=1)
    best = run.record.get("best_epoch")
    if best is not None and best in epochs:
        axis.plot(
            [best + 1], [values[list(epochs).index(best)]], "o", ms=3, color=color
        )
    return line
