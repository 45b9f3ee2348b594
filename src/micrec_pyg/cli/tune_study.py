"""A study of Optuna: trials of settings, each a run that validation judges."""

import math
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from micrec_pyg import grid
from micrec_pyg.schema import InputError

if TYPE_CHECKING:
    import optuna

Choice = Mapping[str, Any]
"""``choices``, or ``low`` and ``high`` and perhaps ``log``."""

KEYS = ({"choices"}, {"low", "high"}, {"low", "high", "log"})

STARTED, WARM_UP = 4, 10
"""Trials that are never ended, and epochs before which none is."""

RUN = "run"
"""What a trial notes: the folder of its run, if it came to its end."""

SHOWN = 5
"""Best trials that are printed."""


@dataclass(frozen=True)
class Plan:
    """What is searched."""

    folder: Path
    """Of the study."""
    overrides: tuple[str, ...]
    """Of every trial."""
    space: Mapping[str, Choice]
    """By key."""
    metric: str
    """What selects, on validation."""
    trials: int
    """In all, those of earlier calls among them."""
    seed: int
    first: Mapping[str, Any] = field(default_factory=dict)
    """Values of the first trial, by key; the others of its keys are drawn."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a search came to."""

    trials: pl.DataFrame
    """A row per trial: number, state, value, seconds, its settings, and its run
    in the output folder."""
    best: tuple[str, ...]
    """Overrides of the best trial, those of every trial among them."""
    lines: list[str]
    """A table of the best trials."""


def check_space(space: Mapping[str, object]) -> dict[str, Choice]:
    """Return a search space, checked.

    Raises:
        InputError: A key has neither choices nor bounds, or its bounds are no numbers.
    """
    found: dict[str, Choice] = {}
    for key, given in space.items():
        if not isinstance(given, dict) or set(given) not in KEYS:
            raise InputError(
                f"search space, {key}: give {{choices: [...]}}, or {{low: ..., high: "
                "..., log: true}}"
            )
        choices, bounds = given.get("choices"), (given.get("low"), given.get("high"))
        if "choices" in given and not (isinstance(choices, list) and choices):
            raise InputError(f"search space, {key}: choices is a list with a value")
        if "low" in given and not _are_bounds(*bounds, log=bool(given.get("log"))):
            raise InputError(
                f"search space, {key}: low and high are numbers of one kind, low below "
                "high, and above 0 with log"
            )
        found[key] = given
    return found


def given_values(
    space: Mapping[str, Choice], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values that settings have for the keys of a space, if it has them."""
    found = {}
    for key, choice in space.items():
        value: Any = settings
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if "choices" in choice:
            inside = value in choice["choices"]
        else:
            inside = isinstance(value, int | float) and (
                choice["low"] <= value <= choice["high"]
            )
        if inside:
            found[key] = value
    return found


def run_plan(plan: Plan, *, jobs: int) -> Outcome:
    """Return what the trials came to; those that are missing are run.

    Args:
        plan: What is searched.
        jobs: Trials at a time, a process each.

    Raises:
        InputError: Optuna is missing, or no trial came to its end.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    study = _study(plan)
    if jobs == 1:
        _work(plan)
    else:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
            for done in [pool.submit(_work, plan, worker) for worker in range(jobs)]:
                done.result()
    return _outcome(plan, study)


def _study(plan: Plan, worker: int = 0) -> "optuna.Study":
    """Return the study of a plan, as far as it came."""
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "micrec tune needs Optuna: pip install 'micrec_pyg[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="study",
        storage=f"sqlite:///{plan.folder / 'study.db'}",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=STARTED, n_warmup_steps=WARM_UP
        ),
    )
    # a sampler that began anew would propose what it proposed before
    seed = plan.seed + 1000 * worker + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    if not study.trials and worker == 0:
        study.enqueue_trial(dict(plan.first))
    return study


def _work(plan: Plan, worker: int = 0) -> None:
    """Run trials until all are done."""
    from optuna.study import MaxTrialsCallback
    from optuna.trial import TrialState

    from micrec_pyg.cli.process import prepare

    prepare()
    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    study = _study(plan, worker)
    if len(study.get_trials(states=ended)) < plan.trials:
        study.optimize(
            lambda trial: _value(plan, trial),
            callbacks=[MaxTrialsCallback(plan.trials, states=ended)],
            catch=FloatingPointError,  # settings that diverge are a failed trial
        )


def _value(plan: Plan, trial: "optuna.Trial") -> float:
    """Return the metric of one trial on validation."""
    import optuna

    from micrec_pyg.cli.sweep_jobs import selection
    from micrec_pyg.cli.train import train_job

    settings = [f"{key}={_draw(trial, key, plan.space[key])}" for key in plan.space]

    def judge(row: Mapping[str, Any]) -> None:
        val = row.get("val")
        if val:
            values = [metrics[plan.metric] for metrics in val.values()]
            trial.report(math.fsum(values) / len(values), int(row["epoch"]))
            if trial.should_prune():
                raise optuna.TrialPruned

    folder = train_job([*plan.overrides, *settings], on_epoch=judge)
    trial.set_user_attr(RUN, str(folder))
    return selection(folder, plan.metric)


def _draw(trial: "optuna.Trial", key: str, choice: Choice) -> object:
    """Return a value of one key."""
    if "choices" in choice:
        return trial.suggest_categorical(key, choice["choices"])
    low, high, log = choice["low"], choice["high"], bool(choice.get("log"))
    if isinstance(low, int):
        return trial.suggest_int(key, low, high, log=log)
    return trial.suggest_float(key, low, high, log=log)


def _are_bounds(low: object, high: object, *, log: bool) -> bool:
    numbers = isinstance(low, int | float) and type(low) is type(high)
    return numbers and (0 if log else -math.inf) < low < high  # type: ignore[operator]


def _inside(plan: Plan, run: str | None) -> str | None:
    """Return the path of a run in the output folder, wherever that is now."""
    output_dir = plan.folder.parents[1]
    return None if run is None else os.path.relpath(run, output_dir)


def _outcome(plan: Plan, study: "optuna.Study") -> Outcome:
    """Return the trials as a table, and the best one.

    Raises:
        InputError: None came to its end.
    """
    rows = [
        {
            "trial": each.number,
            "state": each.state.name.lower(),
            plan.metric: each.value,
            "seconds": None if each.duration is None else each.duration.seconds,
            **{key: str(each.params.get(key)) for key in plan.space},
            RUN: _inside(plan, each.user_attrs.get(RUN)),
        }
        for each in study.trials
    ]
    trials = pl.DataFrame(rows, infer_schema_length=None)
    done = trials.filter(state="complete").sort(plan.metric, descending=True)
    if done.is_empty():
        raise InputError(
            f"none of {len(rows)} trials came to its end; look at the settings of the "
            f"trials in {plan.folder}, and change the search space"
        )
    best = done.row(0, named=True)
    cells = [
        [str(v) if not isinstance(v, float) else f"{v:.4f}" for v in row]
        for row in done.head(SHOWN).drop("state", RUN).iter_rows()
    ]
    counts = trials["state"].value_counts().sort("state").rows()
    said = ", ".join(f"{number} {state}" for state, number in counts)
    return Outcome(
        trials,
        (*plan.overrides, *(f"{key}={best[key]}" for key in plan.space)),
        [
            f"{len(rows)} trials: {said}; validation {plan.metric}, the best first:",
            *grid.aligned([done.drop("state", RUN).columns, *cells]),
        ],
    )
