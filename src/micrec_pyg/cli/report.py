"""``micrec report``: tables of all runs under a folder."""

import argparse
import logging
from pathlib import Path

import polars as pl

from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.report.collect import collect, equal_labels, without_part
from micrec_pyg.report.tables import as_markdown, sheets, write
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

MOST_NAMED = 5
"""Folders in one sentence."""

METRICS = ("recall@20", "ndcg@20", "precision@20")


def main(argv: list[str]) -> int:
    """Return 0 after printing the tables and writing them as Markdown and CSV.

    Raises:
        InputError: There is no run with such results, or a file is not readable.
    """
    given = _parser().parse_args(argv)
    log_to_stderr()
    results = collect(given.outputs)
    valid = results.filter(part=given.part)["group"].unique().sort().to_list()
    unknown = [group for group in given.group or [] if group not in valid]
    if unknown:
        raise InputError(f"no run has the groups {unknown}; valid: {valid}")
    options = {
        "metrics": given.metric or list(METRICS),
        "groups": given.group or ["all"],
        "part": given.part,
        "names": {},
    }
    _tell(results, given.part)
    pages = sheets(results, tuning=given.tuning, alpha=given.alpha, **options)
    text = as_markdown(pages)
    out = Path(given.out or Path(given.outputs) / "report.md")
    pages = write(results, out, text=text, **options)
    show(text)
    logger.info("written: %s and %s", *pages)
    return 0


def _tell(results: pl.DataFrame, part: str) -> None:
    """Say which runs are not in the tables, and which settings had no effect."""
    if missing := without_part(results, part):
        evaluate = f"; micrec evaluate {missing[0]}" if part == "test" else ""
        logger.warning(
            "%d runs have no %s results and are in no table: %s%s",
            len(missing),
            part,
            ", ".join(missing[:MOST_NAMED]) + (", ..." * (len(missing) > MOST_NAMED)),
            evaluate,
        )
    for labels in equal_labels(results):
        logger.warning(
            "the same results in every cell, what tells them apart has no effect: %s",
            ", ".join(labels),
        )


def _level(text: str) -> float | None:
    """Return the level of the tests, None for no tests."""
    if text == "none":
        return None
    try:
        alpha = float(text)
    except ValueError:
        alpha = 0.0
    if not 0 < alpha < 1:
        raise argparse.ArgumentTypeError("give a number between 0 and 1, or none")
    return alpha


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="micrec report",
        description="Print tables of all runs under a folder, and write them.",
    )
    parser.add_argument(
        "outputs", nargs="?", default="outputs", help="folder (default: outputs)"
    )
    parser.add_argument(
        "--metric",
        nargs="+",
        action="extend",
        help=f"columns (default: {' '.join(METRICS)})",
    )
    parser.add_argument(
        "--group",
        nargs="+",
        action="extend",
        help="a table each, see docs/metrics.md (default: all)",
    )
    parser.add_argument("--part", choices=["test", "val"], default="test")
    parser.add_argument(
        "--alpha",
        type=_level,
        default=0.05,
        help="level of the tests that mark significant bests; none = no tests "
        "(default: 0.05)",
    )
    parser.add_argument(
        "--tuning",
        default="not stated",
        metavar="TEXT",
        help="what was tuned and how often, for the line above the tables",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="Markdown file; the CSV goes next to it (default: OUTPUTS/report.md)",
    )
    return parser
