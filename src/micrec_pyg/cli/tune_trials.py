"""The trials of a search: its plan, its study, and how a trial is run."""

import logging
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micrec_pyg.cli.tune_ended import DIVERGED, ended
from micrec_pyg.cli.tune_space import Choice, override
from micrec_pyg.runs.averages import average
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.sealed import METRICS
from micrec_pyg.schema import InputError
from micrec_pyg.storage.lock import locked

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

logger = logging.getLogger(__name__)

STARTED = 4
"""Trials that are never ended."""

SHARE = 0.5
"""Of the epochs, before which no trial is ended: settings that learn slowly are behind
there and may yet be the best (docs/protocol.md, Tuning)."""

RUN = "run"
"""What a trial notes: the folder of its run, if it came to its end."""

GROUP = "group"
"""What a trial notes, too: the group of users and items that its value is about."""

DATA, READ = "data", "read"
"""What a search notes: the digest of every domain as its trials had it, encoded, and
one of what was read before the first trial."""

STUDY, ASKED = "study.db", "asked"
"""Of a search: its trials, and what is locked while the next one is asked for."""


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
    """That come to their end, in all, those of earlier calls among them."""
    seed: int
    data: str
    """Digest of what the data hold now."""
    first: Mapping[str, Any] = field(default_factory=dict)
    """Values of the first trial, by key; the others of its keys are drawn."""
    prune_after: int = 0
    """Epochs before which no trial is ended."""


def study_of(plan: Plan, seed: int | None = None) -> "optuna.Study":
    """Return the study of a plan, as far as it came.

    Args:
        plan: What is searched.
        seed: Of the sampler; None counts on from the trials that are there.
    """
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
            n_startup_trials=STARTED, n_warmup_steps=plan.prune_after
        ),
    )
    if not study.trials:
        study.enqueue_trial(dict(plan.first))
    if seed is None:
        # a sampler that began anew would propose what it proposed before
        seed = plan.seed + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    return study


def run_in(
    pool: ProcessPoolExecutor, plan: Plan, study: "optuna.Study", missing: int
) -> None:
    """Run the trials that are missing, several at a time, each a task of a pool.

    Raises:
        InputError: A worker was killed.
    """
    begun = plan.seed + len(study.trials)
    tasks = [pool.submit(_run_one, plan, begun + number) for number in range(missing)]
    try:
        for done in as_completed(tasks):
            _tell(plan, study, done.result())
    except BrokenProcessPool as error:
        raise InputError(
            "a process of the search was killed, perhaps for want of memory; the same "
            "command continues, and a smaller --jobs takes less memory"
        ) from error


def _run_one(plan: Plan, seed: int) -> "FrozenTrial":
    """Return one trial, run in a process of its own, where nothing is told."""
    (trial,) = run_here(plan, study_of(plan, seed), 1, tell=False)
    return trial


def run_here(
    plan: Plan, study: "optuna.Study", count: int, *, tell: bool = True
) -> "list[FrozenTrial]":
    """Return a number of new trials, run one after the other."""
    from micrec_pyg.cli.process import prepare

    prepare()
    found = []
    for _ in range(count):
        found.append(_ended_trial(plan, study))
        check_same_group(plan, study)
        if tell:
            _tell(plan, study, found[-1])
    return found


def _ended_trial(plan: Plan, study: "optuna.Study") -> "FrozenTrial":
    """Return the next trial at its end; one that is interrupted is left running."""
    import optuna
    from optuna.trial import TrialState

    # SQLite gives one that is queued to two who ask at the same time
    with locked(plan.folder / ASKED, quiet=True):
        trial = study.ask()
    try:
        return study.tell(trial, _value(plan, trial))
    except optuna.TrialPruned:
        return study.tell(trial, state=TrialState.PRUNED)
    except FloatingPointError:  # settings that diverge
        return study.tell(trial, state=TrialState.FAIL)
    except Exception:
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        raise


def seconds_of(trial: "FrozenTrial") -> float | None:
    """Return how long a trial took, which may be days; None where it has no end."""
    return None if trial.duration is None else trial.duration.total_seconds()


def _tell(plan: Plan, study: "optuna.Study", trial: "FrozenTrial") -> None:
    """Log one line about a trial that came to its end."""
    value = "no value" if trial.value is None else f"{plan.metric} {trial.value:.4f}"
    logger.info(
        "trial %d %s in %.0f s: %s: %s, %d of %d left",
        trial.number,
        "failed" if trial.value is None else trial.state.name.lower(),
        seconds_of(trial) or 0.0,
        " ".join(override(k, _short(trial.params.get(k))) for k in plan.space),
        value,
        max(0, plan.trials - len(ended(plan, study))),
        plan.trials,
    )


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _value(plan: Plan, trial: "optuna.Trial") -> float:
    """Return the metric of one trial on validation."""
    import optuna

    from micrec_pyg.cli.sweep_jobs import group_of, selection
    from micrec_pyg.cli.train import train_job

    settings = [override(k, _draw(trial, k, plan.space[k])) for k in plan.space]

    def judge(row: Mapping[str, Any]) -> None:
        val = row.get("val")
        if val:
            means = average(list(val.values()))
            trial.report(means[plan.metric], int(row["epoch"]))
            if trial.should_prune():
                raise optuna.TrialPruned

    try:
        folder = train_job([*plan.overrides, *settings], on_epoch=judge)
    except FloatingPointError as error:
        logger.warning("trial %d failed: %s", trial.number, error)
        trial.set_user_attr(DIVERGED, True)
        raise
    trial.set_user_attr(RUN, str(folder))
    _check_same(plan, trial.study, DATA, read_json(folder / METRICS).get("data"))
    trial.set_user_attr(GROUP, group_of(folder))
    return selection(folder, plan.metric)


def check_same_group(plan: Plan, study: "optuna.Study") -> None:
    """Refuse to compare trials whose values are about unlike users and items.

    Raises:
        InputError: A setting of the space changes what the model answers.
    """
    known = (each.user_attrs.get(GROUP) for each in ended(plan, study))
    groups = dict.fromkeys(group for group in known if group is not None)
    if len(groups) > 1:
        raise InputError(
            f"{plan.folder}: trials are ranked on the groups {' and '.join(groups)}, "
            "whose values do not compare: a setting of the space, such as "
            "model.net.unseen=error beside others, changes which new nodes the model "
            "answers; leave it out of the space, and search once for each"
        )


def check_same_data(plan: Plan, study: "optuna.Study") -> None:
    """Refuse to go on, or to take what was found, with other data than before.

    Raises:
        InputError: The data have changed since the first trial.
    """
    if READ in study.user_attrs or not ended(plan, study):
        _check_same(plan, study, READ, plan.data)


def _check_same(plan: Plan, study: "optuna.Study", name: str, digest: object) -> None:
    """Note a digest of the data, or refuse one that is not as it was noted.

    Raises:
        InputError: The data have changed since the first trial.
    """
    before = study.user_attrs.get(name)
    if before is None:
        study.set_user_attr(name, digest)
    elif before != digest:
        raise InputError(
            f"{plan.folder}: the data have changed since the first trial of this "
            "search; delete the folder and search again"
        )


def _draw(trial: "optuna.Trial", key: str, choice: Choice) -> object:
    """Return a value of one key."""
    if "choices" in choice:
        return trial.suggest_categorical(key, choice["choices"])
    low, high, log = choice["low"], choice["high"], bool(choice.get("log"))
    if isinstance(low, int):
        return trial.suggest_int(key, low, high, log=log)
    return trial.suggest_float(key, low, high, log=log)
