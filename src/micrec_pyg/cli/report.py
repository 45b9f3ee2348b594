"""``micrec report``: tables of all runs under a folder."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.report.collect import collect
from micrec_pyg.report.figure import draw_study
from micrec_pyg.report.html import check_packages
from micrec_pyg.report.latex import latex
from micrec_pyg.report.remarks import remarks
from micrec_pyg.report.tables import Sheet, as_markdown, sheets, write
from micrec_pyg.report.training_figures import draw_training
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import InputError
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.writing import write_text

logger = logging.getLogger(__name__)

METRICS = ("recall@20", "ndcg@20", "precision@20")

ALSO = {
    "--html": "also a page with charts, in one file that needs no network",
    "--latex": "also the tables as LaTeX (booktabs)",
    "--figures": "also pictures of results, training and swept settings, SVG and PDF",
}
"""What else is written, by its flag."""


def main(argv: list[str]) -> int:
    """Return 0 after printing the tables and writing them as Markdown and CSV.

    Raises:
        InputError: There is no run with such results, or a file is not readable.
    """
    given = _parser().parse_args(argv)
    log_to_stderr()
    if given.html:
        check_packages()
    results = collect(given.outputs)
    valid = results.filter(part=given.part)["group"].unique().sort().to_list()
    unknown = [group for group in given.group or [] if group not in valid]
    if unknown:
        raise InputError(
            f"no run has the groups {', '.join(unknown)}; valid: {', '.join(valid)}"
        )
    options = {
        "metrics": given.metric or list(METRICS),
        "groups": given.group or ["all"],
        "part": given.part,
        "names": {},
    }
    for sentence in remarks(results, given.part):
        logger.warning("%s", sentence)
    found = sheets(results, tuning=given.tuning, alpha=given.alpha, **options)
    text = as_markdown(found)
    out = Path(given.out or Path(given.outputs) / "report.md")
    remove_stale_parts(out.parent)
    written = [*write(results, out, text=text, **options)]
    if given.latex:
        written.append(out.with_suffix(".tex"))
        write_text(written[-1], latex(found))
    if given.html:
        written.append(_write_html(given, results, found, out, options["metrics"]))
    if given.figures:
        metric = options["metrics"][0]
        written += draw_study(results, out, metric=metric, part=given.part)
        written += draw_training(results, out, metric=metric, part=given.part)
    show(text)
    logger.info("written: %s", ", ".join(map(str, written)))
    return 0


def _write_html(
    given: argparse.Namespace,
    results: pl.DataFrame,
    found: Sequence[Sheet],
    out: Path,
    metrics: list[str],
) -> Path:
    """Return the path of the page of all runs, or of the only one."""
    from micrec_pyg.report.html.render import write_page
    from micrec_pyg.report.html.single import run_page
    from micrec_pyg.report.html.study import study_page

    options = {"metrics": metrics, "part": given.part}
    root = Path(given.outputs)
    folders = results["run"].unique().to_list()
    if len(folders) == 1:
        run = read_run(Path(folders[0]))
        page = run_page(run, results, examples=_examples(run), **options)
    else:
        page = study_page(results, found, root=root, **options)
    return write_page(page, out.with_suffix(".html"))


def _examples(run: Run) -> pl.DataFrame | None:
    """Return what some people would be given; None, with a line, if nothing answers."""
    from micrec_pyg.inference.examples import examples_of

    try:
        return examples_of(run.path)
    except InputError as error:
        logger.warning("the page has no examples of lists: %s", error)
        return None


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
    _add_texts(parser)
    for flag, what in ALSO.items():
        parser.add_argument(flag, action="store_true", help=what)
    return parser


def _add_texts(parser: argparse.ArgumentParser) -> None:
    """Add what the tables say, and where they go."""
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
        help="Markdown file; the others go next to it (default: OUTPUTS/report.md)",
    )
