"""``micrec compare``: test the differences between finished runs."""

import argparse
from pathlib import Path

from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.cli.report import METRICS
from micrec_pyg.evaluation.significance import TESTS, TestOptions
from micrec_pyg.report import compare_output as text
from micrec_pyg.report.compare import Question, compare
from micrec_pyg.report.negative_transfer import GROUPS, measure_transfer
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_json

EXAMPLES = """examples:
  micrec compare outputs/movielens/inmo outputs/movielens/micrec
  micrec compare outputs --reference lightgcn --group all --json compare.json
  micrec compare --transfer JOINT_RUN... --single FOOD_RUN... KITCHEN_RUN...

docs/statistics.md says how everything is computed."""


def main(argv: list[str]) -> int:
    """Return 0 after printing the table of all differences.

    Raises:
        InputError: The runs cannot be compared.
    """
    given = _parser().parse_args(argv)
    _check(given)
    log_to_stderr()
    question = Question(
        part=given.part,
        groups=given.group or (GROUPS if given.transfer else ["all"]),
        metrics=given.metric or METRICS,
    )
    options = TestOptions(
        test=given.test,
        alpha=given.alpha,
        resamples=given.resamples,
        seed=given.seed,
    )
    if given.transfer:
        table = measure_transfer(given.transfer, given.single, question, options)
    else:
        table = compare(given.runs, question, options, reference=given.reference)
    rows = text.rows_of(table, options)
    shown = text.markdown(rows) if given.markdown else text.aligned(rows)
    show(f"{text.caption(table, question, options)}\n\n{shown}")
    if given.json:
        write_json(Path(given.json), text.as_json(table, question, options))
    return 0


def _check(given: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if bool(given.transfer) != bool(given.single):
        raise InputError(
            "--transfer JOINT... and --single RUN... belong together: a joint run is "
            "compared with runs on each of its domains alone"
        )
    if bool(given.transfer) == bool(given.runs):
        raise InputError(
            "give run folders, or --transfer JOINT... --single RUN..., not both"
        )
    if given.transfer and given.reference:
        raise InputError("--reference does not go with --transfer: --single is it")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="micrec compare",
        description="Compare finished runs with a reference, paired over users:\n"
        "means, difference, interval, p value raw and corrected, effect sizes. Runs\n"
        "that differ in the seed alone count as one model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="run folders, or folders that hold some"
    )
    parser.add_argument(
        "--reference",
        metavar="RUN",
        help="run folder or label of the reference (default: the first RUN)",
    )
    for flag, metavar, what in (
        ("--transfer", "JOINT", "runs on several domains, against those of --single"),
        ("--single", "RUN", "runs on one domain each"),
    ):
        parser.add_argument(
            flag, nargs="+", action="extend", metavar=metavar, help=what
        )
    for flag, names in (
        ("--metric", " ".join(METRICS)),
        ("--group", f"all; with --transfer {' '.join(GROUPS)}"),
    ):
        parser.add_argument(flag, nargs="+", action="extend", help=f"default: {names}")
    parser.add_argument("--part", choices=["test", "val"], default="test")
    parser.add_argument("--test", choices=TESTS, default=TESTS[0])
    numbers = (("--alpha", float, 0.05), ("--resamples", int, 5000), ("--seed", int, 0))
    for flag, kind, default in numbers:
        parser.add_argument(
            flag, type=kind, default=default, help=f"default: {default}"
        )
    parser.add_argument("--json", metavar="OUT", help="also write all numbers here")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    return parser
