"""The page of a sweep: its settings, best first, and a heat map per pair of axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.durations import duration
from micrec_pyg.report.collect import labels_of
from micrec_pyg.report.heat_figure import ordered
from micrec_pyg.report.html.axes import pairs_of_axes
from micrec_pyg.report.html.blocks import (
    Block,
    Cell,
    Chart,
    Heading,
    Page,
    Section,
    Table,
    Text,
    plain,
    spread,
    table_of_texts,
)
from micrec_pyg.report.html.charts import colors_of, points
from micrec_pyg.report.html.costs import environment, timings
from micrec_pyg.report.html.histories import histories, step_of, validation
from micrec_pyg.report.interval import NOTE, interval
from micrec_pyg.report.remarks import first_of
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.runs.sealed import METRICS

ABSENT = "-"


@dataclass(frozen=True)
class Place:
    """One setting of a sweep, and where it stands."""

    setting: Mapping[str, str]
    """Its values by key, without the seed."""
    values: Sequence[float]
    """Of the metric, one per seed."""
    place: int | None
    """Among those that answer the same question, from 1; None: it lacks a seed that
    others have, and compares with none."""


def sweep_page(
    jobs: pl.DataFrame,
    axes: Sequence[str],
    *,
    metric: str,
    seed: str,
    name: str,
    places: Sequence[Place],
    verdict: Sequence[str],
) -> Page:
    """Return the page of a sweep.

    Args:
        jobs: A row per job: a column of text per axis, the metric, ``seconds``,
            ``run`` (folder or null), ``error`` (or null) and ``task``, in words.
        axes: The keys of the sweep, the seed among them if it was swept.
        metric: What selects, on validation, mean over the domains.
        seed: The key whose values are repetitions.
        name: Of the sweep.
        places: Every setting with a value, in the order in which they are shown.
        verdict: Which is the best, in words.
    """
    jobs = jobs.with_columns(pl.col(axes).cast(pl.String).fill_null(ABSENT))
    done = jobs.filter(pl.col(metric).is_not_null()).rename({metric: "value"})
    failed = jobs.filter(pl.col("error").is_not_null())
    # a value may be given twice
    once = done.unique(["task", *axes], keep="last", maintain_order=True)
    settings = [axis for axis in axes if axis != seed]
    runs = _runs(done)
    value = f"validation {metric}"
    sections = [
        Section("Settings, best first", _table(places, settings, value)),
        Section("Axes", _axes(once, settings, value)),
        Section("Training", _curves(runs)),
        Section("Cost", [timings(runs, labels_of(runs))] if runs else []),
        Section("Environment", [environment(runs)] if runs else []),
        Section("Jobs", [_jobs(jobs, axes, metric)]),
    ]
    return Page(
        title=f"Sweep over {', '.join(axes)}",
        facts={
            "sweep": name,
            "jobs": f"{len(done)} done, {len(failed)} failed",
            "selected by": value,
            "time": f"{duration(sum(jobs['seconds']))} of jobs",
        },
        headline=list(verdict) or ["No job is done."],
        sections=[section for section in sections if section.blocks],
        warnings=[
            f"failed: {_words(row, axes)}: {row['error']}"
            for row in failed.iter_rows(named=True)
        ]
        + _lost(done),
    )


def _table(places: Sequence[Place], settings: Sequence[str], value: str) -> list[Block]:
    if not places:
        return []
    rows = [
        [
            Cell(ABSENT if each.place is None else str(each.place), each.place),
            *(plain(each.setting.get(key, ABSENT)) for key in settings),
            spread(each.values, of_seeds=True),
            plain(len(each.values)),
        ]
        for each in places
    ]
    head = ["place", *settings, value, "seeds"]
    several = any(len(each.values) > 1 for each in places)
    caption = f"{value}, mean ± sd over seeds"
    return [Table(caption, head, rows), *([Text([NOTE])] if several else [])]


def _axes(done: pl.DataFrame, settings: Sequence[str], value: str) -> list[Block]:
    """Return what each axis does in each task: values of two tasks do not compare."""
    blocks: list[Block] = []
    parts = done.partition_by("task", maintain_order=True)
    for part in parts:
        found = _axes_of_task(part, settings, value)
        if found and len(parts) > 1:
            blocks.append(Heading(part["task"][0]))
        blocks += found
    return blocks


def _axes_of_task(
    done: pl.DataFrame, settings: Sequence[str], value: str
) -> list[Block]:
    """Return points of a single axis, heat maps of several."""
    several = [axis for axis in settings if done[axis].n_unique() > 1]
    if len(several) != 1:
        return pairs_of_axes(done, several, name=value)
    (axis,) = several
    return [_line(done, axis, value)]


def _line(done: pl.DataFrame, axis: str, value: str) -> Chart:
    rows = []
    for text in ordered(done[axis].to_list()):
        found = interval(done.filter(pl.col(axis) == text)["value"].to_list())
        numbers = {"value": found.mean, "sd": found.sd}
        rows.append(
            {"label": f"{axis}={text}", **numbers, "low": found.low, "high": found.high}
        )
    return points(f"{value}; a line is the 95 % interval", rows, name=value)


def _runs(done: pl.DataFrame) -> list[Run]:
    """Return the runs whose folders are still there; equal jobs share one."""
    folders = dict.fromkeys(done["run"].to_list())
    return [
        read_run(Path(folder)) for folder in folders if Path(folder, METRICS).is_file()
    ]


def _lost(done: pl.DataFrame) -> list[str]:
    """Return what the page cannot show, and why."""
    folders = [f for f in dict.fromkeys(done["run"]) if not Path(f, METRICS).is_file()]
    if not folders:
        return []
    return [
        f"{len(folders)} of {done['run'].n_unique()} runs are not in their folders any "
        f"more, and not among Training, Cost and Environment: {first_of(folders)}"
    ]


def _curves(runs: Sequence[Run]) -> list[Block]:
    found = histories(runs)
    labels = labels_of(runs)
    colors = colors_of(list(dict.fromkeys(labels.values())))
    blocks: list[Block] = []
    step = step_of(found)
    for split in dict.fromkeys(str(history.run.record["split"]) for history in found):
        own = [history for history in found if history.run.record["split"] == split]
        chart = validation(own, labels, colors=colors, step=step)
        if chart is not None:
            blocks += [Text([f"Split {split}:"]), chart]
    return blocks


def _jobs(jobs: pl.DataFrame, axes: Sequence[str], metric: str) -> Table:
    columns = ["job", *axes, metric, "seconds", "run", "error"]
    rows = [list(row) for row in jobs.select(columns).iter_rows()]
    return table_of_texts("Every job", [columns, *rows])


def _words(row: dict[str, object], axes: Sequence[str]) -> str:
    return " ".join(f"{axis}={row[axis]}" for axis in axes)
