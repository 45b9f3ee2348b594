"""``micrec tune``: search the settings of a model by validation alone, with Optuna."""

import argparse
import hashlib
import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micrec_pyg.cli.config import Config, compose, composed, experiment
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE
from micrec_pyg.cli.tune_space import check_space, ends, given_values, told
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.identity import unread_keys
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

if TYPE_CHECKING:
    from micrec_pyg.cli.tune_study import Outcome
    from micrec_pyg.cli.tune_trials import Plan

logger = logging.getLogger(__name__)

SEEDS = 2**31
"""Seeds of a search are below; its workers and its later calls count on from it."""

EPILOG = """The space is conf/tune/<model>.yaml, and where the model takes a loss also
conf/tune/loss/<loss>.yaml if there is one: by key, either choices, or low and high,
log: true on a logarithmic scale. The first trial takes the settings as they are given,
then tree-structured Parzen estimators propose; a trial that is behind the median of the
others in the second half of fit.max_epochs is ended. One trial at a time is repeatable
by its seed; several at a time depend on who ends first. The same command continues;
the test set stays sealed."""


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
    plan = plan_of(
        given.overrides, trials=given.trials, seed=given.seed, space=given.space
    )
    from micrec_pyg.cli.tune_study import run_plan
    from micrec_pyg.cli.tuned import save

    outcome = run_plan(plan, jobs=given.jobs)
    save(plan, outcome)
    command = shlex.join(["micrec", "train", *outcome.best])
    show("\n".join([*outcome.lines, f"best: {command}", f"all: {plan.folder}", ""]))
    return outcome


def plan_of(
    overrides: Sequence[str], *, trials: int, seed: int, space: str | None = None
) -> "Plan":
    """Return a search, checked before any trial.

    Args:
        overrides: Of every trial.
        trials: In all.
        seed: Of the search.
        space: File of another search space than the model's.

    Raises:
        InputError: A setting or the space cannot be used.
    """
    from micrec_pyg.cli import tune_trials
    from micrec_pyg.cli.studies.facts import facts_of

    settings = composed(overrides)
    paths = [Path(space)] if space else _paths(overrides, settings)
    found = _spaces(paths, settings)
    name = _name(overrides, paths, seed)
    checked = check_space(found)
    tried = [experiment([*overrides, *each]).settings for each in [[], *ends(checked)]]
    plan = tune_trials.Plan(
        folder=Path(str(settings["output_dir"])) / "tune" / name,
        overrides=tuple(overrides),
        space=checked,
        metric=str(settings["fit"]["metric"]),
        trials=trials,
        seed=seed,
        data=facts_of(overrides).digest,
        first=given_values(checked, settings),
        prune_after=round(tune_trials.SHARE * int(settings["fit"]["max_epochs"])),
    )
    _tell(plan, tried)
    return plan


def _tell(plan: "Plan", tried: Sequence[Mapping[str, Any]]) -> None:
    """Log what is searched; ``tried`` has every choice and bound once."""
    for key, choice in plan.space.items():
        logger.info("%s: %s", key, told(choice))
    if drawn := [key for key in plan.space if key not in plan.first]:
        logger.info(
            "the first trial draws, too, what the settings have outside of the space: "
            "%s",
            ", ".join(drawn),
        )
    # what one value of another key switches off, another one may need
    if idle := [k for k in plan.space if all(unread_keys(s, [k]) for s in tried)]:
        logger.warning("without effect in this search: %s", ", ".join(idle))


def searched_keys(overrides: Sequence[str]) -> set[Any]:
    """Return the keys that a search has in its space.

    Args:
        overrides: Of every trial.

    Raises:
        InputError: A setting cannot be used, or there is no space.
    """
    settings = composed(overrides)
    return {*_spaces(_paths(overrides, settings), settings)}


def _paths(overrides: Sequence[str], settings: Config) -> list[Path]:
    """Return the files that make up the search space of a model."""
    folder = conf_dir() / "tune"
    found = [folder / f"{settings['model']['name']}.yaml"]
    if settings["model"]["net"].get("loss") != settings["loss"]:
        return found
    chosen = compose(overrides).hydra.runtime.choices["loss"]
    of_loss = folder / "loss" / f"{chosen}.yaml"
    return [*found, of_loss] if of_loss.is_file() else found


def _spaces(paths: Sequence[Path], settings: Config) -> dict[Any, object]:
    """Return what several files say of a search space, as it was written."""
    model = str(settings["model"]["name"])
    return {key: at for path in paths for key, at in _space(path, model).items()}


def _space(path: Path, model: str) -> dict[Any, object]:
    """Return a search space as it was written.

    Raises:
        InputError: There is none, or it is no mapping.
    """
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (conf_dir() / "tune").glob("*.yaml")))
        raise InputError(
            f"no search space '{path}' for the model {model}; give --space FILE, or "
            f"one of the models {known}"
        )
    found = read_yaml(path)
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: give a key and its choices or bounds per line")
    return found


def _name(overrides: Sequence[str], paths: Sequence[Path], seed: int) -> str:
    """Return the name of the study: the same settings, space and seed continue it."""
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    known: Sequence[object] = [sorted(overrides), text, seed]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:8]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number of 1 or more")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= SEEDS:
        raise argparse.ArgumentTypeError(
            f"{text}: give a whole number of 0 or more, below {SEEDS}"
        )
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
        "--seed", type=_seed, default=0, help="of the search (default: 0)"
    )
    parser.add_argument("--space", metavar="FILE", help="another search space")
    return parser
