"""The runs of a study -> its table (Markdown, CSV, LaTeX) and figure (SVG, PDF)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies.study import Study
from micrec_pyg.cli.tabulate import ALPHA, results_of, tabulate
from micrec_pyg.report.figure import draw
from micrec_pyg.report.latex import latex
from micrec_pyg.report.line_figure import draw_lines
from micrec_pyg.report.tables import sheets
from micrec_pyg.storage.writing import write_text


@dataclass(frozen=True)
class Done:
    """The finished runs of one study."""

    study: Study
    jobs: Sequence[Job]
    """In the order of the study, with the labels of its rows."""
    folders: Mapping[Job, Path]
    """Of the jobs that are done; at least one."""
    path: Path
    """The Markdown file; all others lie beside it under the same name."""
    facts: Mapping[str, str]
    """Lines above the tables."""


View = Callable[[Done], list[Path]]


def show_rows(done: Done) -> list[Path]:
    """Return the files of a study whose table has a line per row.

    The figure shows every row as a point, or the swept rows as lines.
    """
    preset = done.study.preset
    results = results_of(done.jobs, done.folders)
    tabulate(preset, results, done.path, done.facts)
    written = [done.path, done.path.with_suffix(".csv"), _latex(done, results)]
    if not preset.picture:
        return written
    if done.study.axis:
        return written + draw_lines(
            results,
            done.path,
            panels=preset.picture,
            points=done.study.points,
            axis=done.study.axis,
        )
    names = {row.label: row.label for row in preset.rows}
    for ending in (".svg", ".pdf"):
        written.append(done.path.with_suffix(ending))
        draw(results, written[-1], panels=preset.picture, names=names)
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


VIEWS: Mapping[str, View] = {"rows": show_rows}
"""By the name that a study gives as ``view``."""
