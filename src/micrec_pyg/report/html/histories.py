"""The epochs of runs as the rows of a chart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from micrec_pyg.report.html.blocks import Chart
from micrec_pyg.report.html.charts import colors_of, curves
from micrec_pyg.runs.read import Run

MOST_ROWS = 15_000
"""Epochs of all runs of a page; of longer histories every other one is left out."""

DIGITS = 5


@dataclass(frozen=True)
class History:
    """The epochs of one run."""

    run: Run
    epochs: Sequence[Mapping[str, Any]]
    """Rows of ``Run.history``."""


def histories(runs: Sequence[Run]) -> list[History]:
    """Return the history of every run that has one; some models have no epochs."""
    found = []
    for run in runs:
        if run.has_history:
            rows = run.history.to_dicts()
            if rows and "epoch" in rows[0]:
                found.append(History(run, rows))
    return found


def step_of(found: Sequence[History]) -> int:
    """Return which epochs are drawn, every first, second or n-th."""
    return -(-sum(len(history.epochs) for history in found) // MOST_ROWS) or 1


def validation(
    found: Sequence[History],
    labels: Mapping[str, str],
    *,
    colors: Mapping[str, str],
    step: int,
) -> Chart | None:
    """Return the metric that selects, per epoch of every run; None without epochs.

    Args:
        found: Of one data set and split.
        labels: Run folder -> its label.
        colors: Of the labels.
        step: As ``step_of`` returns it.
    """
    metrics = Counter(_metric(history.run) for history in found)
    if not metrics:
        return None
    metric = metrics.most_common(1)[0][0]
    domains = sorted(
        {d for history in found for d in history.run.record.get("val", {})}
    )
    series = {"y0": "mean over domains"} if len(domains) > 1 else {}
    series |= {f"y{n}": domain for n, domain in enumerate(domains, start=1)}
    names = {f"y{n}": f"val/{d}/{metric}" for n, d in enumerate(domains, start=1)}
    rows = [
        row
        for number, history in enumerate(found)
        for row in _rows(history, labels[history.run.path], number, names, step)
    ]
    for row in rows if "y0" in series else ():
        known = [row[name] for name in names if row[name] is not None]
        row["y0"] = _round(fmean(known)) if known else None
    if not rows:
        return None
    every = f"; every {step}th epoch" if step > 1 else ""
    return curves(
        f"Validation {metric} per epoch of every run; a dot is the selected epoch; "
        f"choose in the legend{every}",
        rows,
        series=series,
        colors=colors,
        name=metric,
    )


def of_one_run(history: History) -> list[Chart]:
    """Return charts of all validation metrics and all loss terms of one run."""
    step = step_of([history])
    names = list(dict.fromkeys(key for row in history.epochs for key in row))
    domains = sorted({name.split("/")[1] for name in names if name.startswith("val/")})
    metrics = dict.fromkeys(n.split("/")[2] for n in names if n.startswith("val/"))
    # the metric that selects is shown first
    first = sorted(metrics, key=lambda metric: metric != _metric(history.run))
    losses = [name for name in names if name.startswith("loss/")]
    found = []
    by_domain = {
        domain: [f"val/{domain}/{metric}" for metric in first] for domain in domains
    }
    for title, keys, shown in (
        ("Validation", by_domain, first),
        ("Loss terms", {"loss": losses}, [n.partition("/")[2] for n in losses]),
    ):
        rows = [
            row
            for number, (label, own) in enumerate(keys.items())
            for row in _rows(history, label, number, _fields(own), step)
        ]
        if rows and shown:
            series = _fields(shown)
            caption = f"{title} per epoch; a dot is the selected epoch"
            colors = colors_of(list(keys))
            chart = curves(caption, rows, series=series, colors=colors, name="value")
            found.append(chart)
    return found


def _rows(
    history: History, label: str, number: int, names: Mapping[str, str], step: int
) -> list[dict[str, Any]]:
    """Return a row per drawn epoch that has one of some values.

    Args:
        history: Of one run.
        label: Of the line.
        number: Of the line.
        names: Field of the row -> column of the history.
        step: As ``step_of`` returns it.
    """
    best = history.run.record.get("best_epoch")
    return [
        {
            "label": label,
            "run": number,
            "seed": history.run.seed,
            "epoch": row["epoch"] + 1,  # people count from 1
            "best": row["epoch"] == best,
            **{field: _round(row.get(name)) for field, name in names.items()},
        }
        for row in _drawn(history.epochs, best, step)
        if any(row.get(name) is not None for name in names.values())
    ]


def _drawn(
    epochs: Sequence[Mapping[str, Any]], best: int | None, step: int
) -> list[Mapping[str, Any]]:
    last = epochs[-1]["epoch"]
    return [
        row
        for row in epochs
        if row["epoch"] % step == 0 or row["epoch"] in (best, last)
    ]


def _fields(names: Sequence[str]) -> dict[str, str]:
    return {f"y{number}": name for number, name in enumerate(names)}


def _metric(run: Run) -> str:
    """Return the metric that selects the epoch."""
    return str((run.config.get("fit") or {}).get("metric", "ndcg@20"))


def _round(value: float | None) -> float | None:
    """Return a value with the digits that a chart can show; JSON has no NaN."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return round(value, DIGITS)
