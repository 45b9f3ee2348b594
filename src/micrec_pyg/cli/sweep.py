"""``micrec sweep``: what a sweep came to, as a table and as a file of its jobs."""

import argparse
from pathlib import Path

import polars as pl

from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.cli.sentences import DONE
from micrec_pyg.cli.sweep_jobs import SEED, Job, read
from micrec_pyg.cli.sweep_tables import (
    changed,
    metrics_of,
    rank,
    tables,
    tasks,
    verdict,
)
from micrec_pyg.report.html import check_packages
from micrec_pyg.storage.writing import write_text


def main(argv: list[str]) -> int:
    """Return 0 after printing the table of a sweep and writing its jobs as CSV.

    Raises:
        InputError: The folder holds no sweep.
    """
    given = _parser().parse_args(argv)
    log_to_stderr()
    if given.html:
        check_packages()
    folder = Path(given.sweep)
    jobs = read(folder)
    # first: the folder may be one to read only
    show("\n".join([*tables(jobs), ""]))
    lines = [f"every job: {write_jobs(jobs, folder)}"]
    if given.html:
        lines += [f"page: {path}" for path in _write_html(jobs, folder)]
    show("\n".join([*lines, ""]))
    return DONE


def write_jobs(jobs: list[Job], folder: Path) -> Path:
    """Return the path of a table with a row per job, written anew."""
    path = folder / "jobs.csv"
    write_text(path, frame(jobs).write_csv())
    return path


def _write_html(jobs: list[Job], folder: Path) -> list[Path]:
    """Return the paths of the pages of a sweep, one for each metric that selected."""
    from micrec_pyg.report.html.render import write_page
    from micrec_pyg.report.html.sweep import Place, sweep_page

    written = []
    metrics = metrics_of(jobs) or [jobs[0].metric]
    for metric in metrics:
        own = [job for job in jobs if job.metric == metric]
        ranked = rank(own, metric)
        page = sweep_page(
            frame(own).with_columns(task=pl.Series(tasks(own, ranked))),
            list(dict.fromkeys(key for job in own for key in job.overrides)),
            metric=metric,
            seed=SEED,
            name=folder.name,
            places=[
                Place(dict(each.setting), list(each.values.values()), each.place)
                for each in ranked
            ],
            verdict=[*verdict(ranked), *changed(own, metric)],
        )
        name = "sweep.html" if len(metrics) == 1 else f"sweep-{metric}.html"
        written.append(write_page(page, folder / name))
    return written


def frame(jobs: list[Job]) -> pl.DataFrame:
    """Return a row per job: its keys, what it came to, its run or its error."""
    rows = [
        {
            "job": job.number,
            **job.overrides,
            job.metric: job.value,
            "group": job.group,
            "seconds": job.seconds,
            "run": job.folder,
            "error": job.error,
        }
        for job in jobs
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec sweep",
        description="Print what a sweep came to: its settings, best first, by the "
        "validation metric that selects, mean and standard deviation over seeds; and "
        "the jobs that failed.",
    )
    parser.add_argument(
        "sweep", metavar="DIR", help="folder that `micrec train -m` named at its end"
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="also write DIR/sweep.html: a heat map and a table per pair of keys, and "
        "curves, in one file that needs no network; one per metric if fit.metric was "
        "swept",
    )
    return parser
