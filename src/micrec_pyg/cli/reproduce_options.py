"""The options of ``micrec reproduce``."""

import argparse
import os
import re
from collections.abc import Sequence

from micrec_pyg.runs.setting_types import shown
from micrec_pyg.schema import InputError

OPTIONS = ("preset", "output_dir", "jobs", "seeds", "splits", "studies")
"""May also be given as ``key=value``, as all other commands take their keys."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return what the arguments of the command say."""
    return _parser().parse_intermixed_args(_as_flags(argv))


def _as_flags(argv: Sequence[str]) -> list[str]:
    """Return the arguments with ``preset=quick`` written as ``--preset=quick``.

    ``DATA=`` is another spelling of ``data=``, for those who come from make.
    """
    return [
        f"--{key.replace('_', '-')}={value}" if key in OPTIONS and equals else argument
        for argument in (re.sub("^DATA=", "data=", each) for each in argv)
        for key, equals, value in [argument.partition("=")]
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="micrec reproduce",
        description="Train and test the models and ablations of a preset, then print "
        "and write their table. Interrupted, the same command continues.",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="settings of every run, such as fit.max_epochs=10",
    )
    parser.add_argument("--preset", default="quick", help="conf/reproduce/<name>.yaml")
    parser.add_argument("--output-dir", default="outputs", metavar="DIR")
    parser.add_argument(
        "--jobs",
        default=str(_cores()),
        metavar="N",
        help="runs at a time, one thread each (default: the number of cores)",
    )
    _add_choices(parser)
    parser.add_argument(
        "--picking",
        action="store_true",
        help="of a preset that searches: in place of its runs, test every complete "
        "trial, and tell what picking settings by the test set would have bought",
    )
    parser.add_argument(
        "--tuned",
        metavar="FILE",
        help="reproduce-<preset>-tuned.csv of an earlier command: searches of the same "
        "data and settings with enough trials are taken from it",
    )
    parser.add_argument(
        "--check",
        metavar="FILE",
        help="CSV of an earlier reproduction, such as docs/tables/quick.csv; exit code "
        "1 if a cell differs by more than another kind of CPU explains",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the runs, no more")
    return parser


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """Add what takes the place of something that the preset says."""
    parser.add_argument("--seeds", metavar="0,1,2", help="of the runs")
    parser.add_argument(
        "--trials",
        type=_trials,
        metavar="N",
        help="of each search of a preset that searches; more continue it later",
    )
    parser.add_argument(
        "--splits", metavar="random,new_nodes", help="in place of the preset's"
    )
    parser.add_argument(
        "--studies",
        metavar="main,ablations",
        help="of a preset of several studies, these alone",
    )


def _trials(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number of 1 or more")
    return int(text)


def count_of(text: str) -> int:
    """Return how many runs are done at a time.

    Raises:
        InputError: It is no number above 0.
    """
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise InputError(f"--jobs {shown(text)} was given; give a number such as 2")
    return int(text)


def seeds_of(text: str) -> list[int]:
    """Return the seeds in ``0,1``.

    Raises:
        InputError: One is no number or too large, or stands twice.
    """
    parts = text.split(",")
    seeds = [int(part) for part in parts if re.fullmatch(r"\d{1,19}", part)]
    if len({*seeds}) < len(parts) or max(seeds) >= 2**63:
        raise InputError(
            f"--seeds {shown(text)} was given; give different whole numbers of 0 or "
            "more, below 2^63, such as 0,1"
        )
    return seeds


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
