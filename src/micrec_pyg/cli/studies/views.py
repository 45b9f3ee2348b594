"""The runs of a study -> its table (Markdown, CSV, LaTeX) and figure (SVG, PDF)."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.studies.done import Done
from micrec_pyg.cli.studies.measured import (
    show_alignment,
    show_evaluators,
    show_support,
    show_transfer,
)
from micrec_pyg.cli.tabulate import ALPHA, results_of, tabulate
from micrec_pyg.report.curve_figure import draw_curves, ends
from micrec_pyg.report.figure import NothingToDrawError, draw
from micrec_pyg.report.gain_figure import band_text
from micrec_pyg.report.latex import latex
from micrec_pyg.report.line_figure import Line, draw_lines, draw_panels
from micrec_pyg.report.tables import aggregate, sheets
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.storage.writing import write_text

logger = logging.getLogger(__name__)

DEGREE = "item_degree_"
"""Beginning of the names of the groups that a study by degree has."""

View = Callable[[Done], list[Path]]


def show_rows(done: Done) -> list[Path]:
    """Return the files of a study whose table has a line per row.

    The figure shows every row as a point, or the swept rows as lines.
    """
    results = results_of(done.jobs, done.folders)
    written = [*_tables(done, results), *_figure(done, results)]
    return written + (_curves(done) if done.study.curves else [])


def show_degrees(done: Done) -> list[Path]:
    """Return the files of a study by groups that are in an order, such as degrees."""
    preset = done.study.preset
    results = results_of(done.jobs, done.folders)
    table = aggregate(results, metrics=preset.metrics, groups=preset.groups)
    metric = preset.metrics[0]
    panels = {
        f"split {split}, {metric}": [
            line
            for row in preset.rows
            if (line := _over_groups(row.label, table, split, preset)).x
        ]
        for split in results["split"].unique(maintain_order=True)
    }
    ticks = {
        float(place): band_text(group.removeprefix(DEGREE))
        for place, group in enumerate(preset.groups)
    }
    return _tables(done, results) + draw_panels(
        panels, done.path, axis="interactions of the item", metric=metric, ticks=ticks
    )


def _over_groups(label: str, table: pl.DataFrame, split: str, preset: Preset) -> Line:
    """Return the line of one row over the groups that it has a value in."""
    own = table.filter(
        domain=AVERAGE, split=split, label=label, metric=preset.metrics[0]
    )
    values = {row["group"]: (row["mean"], row["sd"] or 0.0) for row in own.to_dicts()}
    found = [
        (float(place), *values[group])
        for place, group in enumerate(preset.groups)
        if group in values
    ]
    x, mean, sd = zip(*found, strict=True) if found else ((), (), ())
    return Line(label, x, mean, sd)


def _tables(done: Done, results: pl.DataFrame) -> list[Path]:
    """Return the paths of Markdown, CSV and, of all users, LaTeX."""
    tabulate(done.study.preset, results, done.path, done.facts)
    return [done.path, done.path.with_suffix(".csv"), _latex(done, results)]


def _figure(done: Done, results: pl.DataFrame) -> list[Path]:
    """Return the paths of the figure: points, or the lines of a sweep.

    There is none where the splits that were asked for have no panel.
    """
    preset = done.study.preset
    names = {row.label: row.label for row in preset.rows}
    written = [done.path.with_suffix(ending) for ending in (".svg", ".pdf")]
    try:
        if done.study.axis:
            return draw_lines(
                results,
                done.path,
                panels=preset.picture,
                points=done.study.points,
                axis=done.study.axis,
            )
        for picture in written:
            draw(results, picture, panels=preset.picture, names=names)
    except NothingToDrawError as error:
        logger.warning("not drawn: %s", error)
        return []
    return written


def _curves(done: Done) -> list[Path]:
    """Return the paths of the curves of training, and of how it ended, by split."""
    written = []
    for split in done.study.preset.splits:
        runs: dict[str, list[Run]] = {}
        for job, folder in done.folders.items():
            if split in job.overrides:
                runs.setdefault(job.label, []).append(read_run(folder))
        name = split.partition("=")[2]
        path = done.path.with_name(f"{done.path.stem}-training-{name}.csv")
        if runs:
            write_text(path, ends(runs).write_csv())
            written += [path, *draw_curves(runs, path)]
    return written


def _latex(done: Done, results: pl.DataFrame) -> Path:
    """Return the path of the tables of all users as LaTeX."""
    preset = done.study.preset
    found = sheets(
        results,
        metrics=preset.metrics,
        groups=["all"],
        tuning=preset.tuning,
        names={row.label: row.label for row in preset.rows},
        alpha=ALPHA,
    )
    path = done.path.with_suffix(".tex")
    write_text(path, latex(found))
    return path


VIEWS: Mapping[str, View] = {
    "rows": show_rows,
    "degrees": show_degrees,
    "support_edges": show_support,
    "transfer": show_transfer,
    "alignment": show_alignment,
    "evaluators": show_evaluators,
}
"""By the name that a study gives as ``view``."""
