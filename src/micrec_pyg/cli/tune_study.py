"""A study of Optuna: trials of settings, each a run that validation judges."""

import logging
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from micrec_pyg import grid
from micrec_pyg.cli.tune_space import Choice, override, written
from micrec_pyg.cli.workers import worker_processes
from micrec_pyg.schema import DamagedFileError, InputError, StorageError
from micrec_pyg.storage.lock import locked
from micrec_pyg.storage.seals import MANIFEST, changing, check, remedy, seal

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

STARTED, WARM_UP = 4, 10
"""Trials that are never ended, and epochs before which none is."""

RUN = "run"
"""What a trial notes: the folder of its run, if it came to its end."""

STUDY = "study.db"
"""Of a search: its trials."""

DAMAGED = ("not a database", "malformed", "no such table", "no such column")
"""What SQLite says of a file that is damaged."""

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


def run_plan(plan: Plan, *, jobs: int) -> Outcome:
    """Return what the trials came to; those that are missing are run.

    Args:
        plan: What is searched.
        jobs: Trials at a time, a process each.

    Raises:
        InputError: Optuna is missing, or no trial came to its end.
    """
    with locked(plan.folder), _kept(plan.folder):
        study = _study(plan)
        if jobs == 1:
            _work(plan)
        else:
            with worker_processes(jobs) as pool:
                workers = range(jobs)
                for done in [pool.submit(_work, plan, worker) for worker in workers]:
                    done.result()
        return _outcome(plan, study)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Check the trials of a search, and seal them again when it ends.

    A search that was killed is continued unchecked.

    Raises:
        DamagedFileError: They are not what was written, or cannot be read.
    """
    with remedy(f"delete {folder} and search again; trained runs are kept"):
        if (folder / STUDY).exists():
            check(folder)
        with changing(folder, [STUDY]):
            try:
                yield
            except _database_errors() as error:
                reason = str(error).splitlines()[0]
                if any(sign in str(error) for sign in DAMAGED):
                    raise DamagedFileError(f"{folder / STUDY}: {reason}") from error
                raise StorageError(
                    f"{folder / STUDY}: {reason}; look at the disk and at the rights "
                    "of the folder"
                ) from error
        if not (folder / MANIFEST).exists():
            seal(folder, [STUDY])


def _database_errors() -> tuple[type[Exception], ...]:
    """Return what a database raises that cannot be read or written."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return StorageInternalError, SQLAlchemyError


def _study(plan: Plan, worker: int = 0) -> "optuna.Study":
    """Return the study of a plan, as far as it came."""
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "micrec tune needs Optuna: pip install 'micrec_pyg[tune]'"
        ) from error
    # what goes wrong in a trial is told here; optuna would print a page of code
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="study",
        storage=f"sqlite:///{plan.folder / STUDY}",
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

    settings = [override(k, _draw(trial, k, plan.space[k])) for k in plan.space]

    def judge(row: Mapping[str, Any]) -> None:
        val = row.get("val")
        if val:
            values = [metrics[plan.metric] for metrics in val.values()]
            trial.report(math.fsum(values) / len(values), int(row["epoch"]))
            if trial.should_prune():
                raise optuna.TrialPruned

    try:
        folder = train_job([*plan.overrides, *settings], on_epoch=judge)
    except FloatingPointError as error:
        logger.warning("trial %d failed: %s", trial.number, error)
        raise
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
            **{key: written(each.params.get(key)) for key in plan.space},
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
        (*plan.overrides, *(override(key, best[key]) for key in plan.space)),
        [
            f"{len(rows)} trials: {said}; validation {plan.metric}, the best first:",
            *grid.aligned([done.drop("state", RUN).columns, *cells]),
        ],
    )
