"""Studies of what is measured beside the metrics: their tables and figures."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies.done import Done
from micrec_pyg.cli.studies.steps import SUPPORT
from micrec_pyg.evaluation.significance import TestOptions
from micrec_pyg.grid import Titled, titled_markdown
from micrec_pyg.report import compare_output
from micrec_pyg.report.compare import Cell, Question
from micrec_pyg.report.evaluators import (
    draw_evaluators,
    evaluators_table,
    evaluators_tables,
)
from micrec_pyg.report.latex import latex_of_texts
from micrec_pyg.report.negative_transfer import GROUPS, measure_transfer
from micrec_pyg.report.support import draw_support, support_table, support_tables
from micrec_pyg.report.transfer_figure import draw_shares, per_user_shares
from micrec_pyg.report.tsne_figure import Cloud, draw_clouds, title_of
from micrec_pyg.runs import alignment, evaluators, support
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import InputError
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.writing import write_text

REFERENCES = ("Popularity", "Content kNN")
"""What an answer for someone new must be better than."""
ALONE = "data.only="
"""Begins the override of a run on one domain."""
OPTIONS = TestOptions(test="wilcoxon", alpha=0.05, resamples=1000, seed=0)

logger = logging.getLogger(__name__)


def show_support(done: Done) -> list[Path]:
    """Return the files of the study by number of support edges."""
    frames = {
        (job.label, str(run.record["split"]), run.seed): support.measure_support(
            Path(run.path), _counts(job)
        )
        for job, run in _runs(done).items()
    }
    table = support_table(frames)
    labels = [row.label for row in done.study.preset.rows]
    metric = done.study.preset.metrics[0]
    tables = support_tables(table, labels, REFERENCES, metric)
    return [
        *_written(done, tables, table),
        *draw_support(table, labels, metric, done.path),
    ]


def _counts(job: Job) -> Sequence[int]:
    """Return the numbers of edges of a study; a run may be measured with others too."""
    return next(step.values for step in job.steps if step.name == SUPPORT)


def show_evaluators(done: Done) -> list[Path]:
    """Return the files of the study of one model under several evaluators."""
    table = evaluators_table(_frames(done, evaluators.FILE))
    labels = [row.label for row in done.study.preset.rows]
    return [
        *_written(done, evaluators_tables(table, labels), table),
        *draw_evaluators(table, labels, done.path),
    ]


def show_transfer(done: Done) -> list[Path]:
    """Return the files of the study of joint training against each domain alone."""
    preset = done.study.preset
    question = Question(part="test", groups=GROUPS, metrics=preset.metrics)
    tables: list[Titled] = []
    shares: list[pl.DataFrame] = []
    for split in preset.splits:
        own = [job for job in done.folders if split in job.overrides]
        joint, alone = (
            [str(done.folders[job]) for job in own if _is_alone(job) is wanted]
            for wanted in (False, True)
        )
        if not joint or not alone:
            continue
        table = measure_transfer(joint, alone, question, OPTIONS)
        name = split.partition("=")[2]
        shares.append(per_user_shares(table).with_columns(split=pl.lit(name)))
        tables += _of_split(name, table, question, shares[-1])
    if not shares:
        raise InputError("transfer: no joint run has its runs on each domain alone")
    found = pl.concat(shares)
    return [
        *_written(done, tables, found),
        *draw_shares(found, preset.metrics[0], done.path),
    ]


def show_alignment(done: Done) -> list[Path]:
    """Return the files of the study of shared users before and after alignment."""
    runs = _runs(done)
    rows = [
        read_parquet(Path(run.path) / alignment.FILE).with_columns(
            label=pl.lit(job.label), seed=pl.lit(run.seed)
        )
        for job, run in runs.items()
    ]
    table = (
        pl.concat(rows)
        .group_by("label", "pair", "stage", maintain_order=True)
        .agg(
            pl.col("users", "mean_rank").mean(),
            pl.col("mean_rank").std().alias("sd"),
            pl.col("chance", "hits@10").mean(),
            pl.len().alias("seeds"),
        )
    )
    head = [list(table.columns)]
    cells = [[_text(value) for value in row] for row in table.iter_rows()]
    stages = "; ".join(f"{name}: {what}" for name, what in alignment.STAGES.items())
    ranks = Titled("rank of the own account", [*head, *cells], range(3, 8), stages)
    first = min(run.seed for run in runs.values())
    pictured = {j.label: run for j, run in runs.items() if run.seed == first}
    return [*_written(done, [ranks], table), *_clouds(pictured, rows, first, done.path)]


def _clouds(
    runs: Mapping[str, Run], scores: Sequence[pl.DataFrame], seed: int, path: Path
) -> list[Path]:
    """Return the pictures of one seed; none where openTSNE is not installed."""
    table = pl.concat(scores).filter(seed=seed)
    clouds = [
        Cloud(
            title_of(
                label,
                stage,
                table.filter(label=label, stage=stage, pair=" & ".join(pair)).row(
                    0, named=True
                ),
            ),
            *vectors,
            names=pair,
        )
        for label, run in runs.items()
        for pair, stages in alignment.shared_vectors(Path(run.path)).items()
        for stage, vectors in stages.items()
    ]
    try:
        return draw_clouds(clouds, path, seed=seed)
    except InputError as error:
        logger.warning("%s; the scores are there without it", error)
        return []


def _of_split(
    name: str, table: Sequence[Cell], question: Question, shares: pl.DataFrame
) -> list[Titled]:
    rows = compare_output.rows_of(table, OPTIONS)
    caption = compare_output.caption(table, question, OPTIONS)
    cells = [[_text(value) for value in row] for row in shares.iter_rows()]
    numbers = range(4, len(shares.columns))
    return [
        Titled(f"split {name}, differences", rows, range(4, len(rows[0])), caption),
        Titled(f"split {name}, share of users", [shares.columns, *cells], numbers),
    ]


def _is_alone(job: Job) -> bool:
    return any(each.startswith(ALONE) for each in job.overrides)


def _runs(done: Done) -> dict[Job, Run]:
    """Return the finished runs in the order of the study."""
    return {
        job: read_run(done.folders[job]) for job in done.jobs if job in done.folders
    }


def _frames(done: Done, name: str) -> dict[tuple[str, str, int], pl.DataFrame]:
    """Return a file of every finished run by label, split and seed."""
    return {
        (job.label, str(run.record["split"]), run.seed): read_parquet(
            Path(run.path) / name
        )
        for job, run in _runs(done).items()
    }


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _written(done: Done, tables: Sequence[Titled], table: pl.DataFrame) -> list[Path]:
    """Return the paths of the tables written: Markdown, CSV and LaTeX."""
    lines = [f"- {key}: {fact}" for key, fact in done.facts.items()]
    head = "\n".join([f"# {done.study.preset.title}\n", *lines, ""])
    csv, tex = (done.path.with_suffix(ending) for ending in (".csv", ".tex"))
    write_text(done.path, f"{head}\n{titled_markdown(tables)}\n")
    write_text(csv, table.write_csv())
    write_text(tex, latex_of_texts(tables, done.path.stem))
    return [done.path, csv, tex]
