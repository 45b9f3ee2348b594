"""``micrec sweep``: what a sweep came to, as a table and as a file of its jobs."""

import argparse
from pathlib import Path

import polars as pl

from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.cli.sentences import DONE
from micrec_pyg.cli.sweep_jobs import SEED, Job, read
from micrec_pyg.cli.sweep_tables import tables
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
    path = folder / "jobs.csv"
    write_text(path, frame(jobs).write_csv())
    lines = [*tables(jobs), f"every job: {path}"]
    if given.html:
        lines.append(f"page: {_write_html(jobs, folder)}")
    show("\n".join([*lines, ""]))
    return DONE


def _write_html(jobs: list[Job], folder: Path) -> Path:
    """Return the path of the page of a sweep."""
    from micrec_pyg.report.html.render import write_page
    from micrec_pyg.report.html.sweep import sweep_page

    axes = list(dict.fromkeys(key for job in jobs for key in job.overrides))
    page = sweep_page(
        frame(jobs), axes, metric=jobs[0].metric, seed=SEED, name=folder.name
    )
    return write_page(page, folder / "sweep.html")


def frame(jobs: list[Job]) -> pl.DataFrame:
    """Return a row per job: its keys, the metric that selects, seconds, run, error."""
    rows = [
        {
            "job": job.number,
            **job.overrides,
            job.metric: job.value,
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
        "curves, in one file that needs no network",
    )
    return parser
