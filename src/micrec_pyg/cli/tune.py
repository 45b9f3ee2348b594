"""``micrec tune``: search the settings of a model by validation alone, with Optuna."""

import argparse
import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text
from micrec_pyg.yaml_files import read_yaml

if TYPE_CHECKING:
    from micrec_pyg.cli.tune_study import Outcome

logger = logging.getLogger(__name__)

EPILOG = """The space is conf/tune/<model>.yaml: by key, either choices, or low and
high, log: true on a logarithmic scale. Tree-structured Parzen estimators propose; a
trial that is behind the median of the others at its epoch is ended. One trial at a time
is repeatable by its seed; several at a time depend on who ends first. The same command
continues; the test set stays sealed."""


def main(argv: list[str]) -> int:
    """Return 0 when all trials are done, after printing the best settings.

    Raises:
        InputError: A setting or the space cannot be used.
    """
    search(argv)
    return DONE


def search(argv: list[str]) -> "Outcome":
    """Return what all trials came to; print it, and write it beside the trials.

    Args:
        argv: Of ``micrec tune``; a finished search is read and not done again.

    Raises:
        InputError: A setting or the space cannot be used.
    """
    given = _parser().parse_intermixed_args(argv)
    prepare()
    log_to_stderr()
    settings = composed(given.overrides)  # refused before any trial
    model = str(settings["model"]["name"])
    path = Path(given.space) if given.space else conf_dir() / "tune" / f"{model}.yaml"
    from micrec_pyg.cli.tune_study import Plan, check_space, run_plan

    plan = Plan(
        folder=Path(str(settings["output_dir"])) / "tune" / _name(given, path),
        overrides=tuple(given.overrides),
        space=check_space(_space(path, model)),
        metric=str(settings["fit"]["metric"]),
        trials=given.trials,
        seed=given.seed,
    )
    for key, choice in plan.space.items():
        logger.info("%s: %s", key, choice)
    outcome = run_plan(plan, jobs=given.jobs)
    write_text(plan.folder / "trials.csv", outcome.trials.write_csv())
    command = " ".join(["micrec", "train", *outcome.best])
    write_text(plan.folder / "best.txt", f"{command}\n")
    show("\n".join([*outcome.lines, f"best: {command}", f"all: {plan.folder}", ""]))
    return outcome


def _space(path: Path, model: str) -> dict[str, dict[str, object]]:
    """Return a search space as it was written.

    Raises:
        InputError: There is none, or it is no mapping.
    """
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yaml")))
        raise InputError(
            f"no search space '{path}' for the model {model}; give --space FILE, or "
            f"one of the models {known or 'none'}"
        )
    found = read_yaml(path)
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: give a key and its choices or bounds per line")
    return found


def _name(given: argparse.Namespace, path: Path) -> str:
    """Return the name of the study: the same settings, space and seed continue it."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    known: Sequence[object] = [sorted(given.overrides), text, given.seed]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:8]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number of 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec tune",
        description="Search the settings of a model by validation alone.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "overrides",
        nargs="+",
        metavar="key=value",
        help="settings of every trial, such as model=inmo data=movielens",
    )
    parser.add_argument(
        "--trials", type=_count, default=20, help="in all (default: 20)"
    )
    parser.add_argument(
        "--jobs", type=_count, default=1, help="trials at a time (default: 1)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the search (default: 0)"
    )
    parser.add_argument("--space", metavar="FILE", help="another search space")
    return parser
