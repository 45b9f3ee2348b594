"""Which trials of a search count as ended, and which are tried again."""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from micrec_pyg.cli.tune_trials import Plan

logger = logging.getLogger(__name__)

DIVERGED = "diverged"
"""What a trial notes that came to its end without a value."""


def ended(plan: "Plan", study: "optuna.Study") -> "list[FrozenTrial]":
    """Return the trials that came to their end: complete, pruned or diverged.

    One that a kill, an interruption or an error of another kind ended is none, nor is
    one that was pruned too early.
    """
    return [
        each
        for each in study.get_trials(deepcopy=False)
        if each.state.is_finished() and not _failed(each) and not _early(plan, each)
    ]


def _failed(trial: "FrozenTrial") -> bool:
    return trial.state.name == "FAIL" and DIVERGED not in trial.user_attrs


def _early(plan: "Plan", trial: "FrozenTrial") -> bool:
    """Return whether a trial was pruned before it could show what it is worth."""
    pruned = trial.state.name == "PRUNED"
    return pruned and (trial.last_step or 0) < plan.prune_after


def try_again(plan: "Plan", study: "optuna.Study") -> None:
    """Queue the settings of trials that have no end that counts.

    These are the ones that a killed search left running, which end here, and those that
    an earlier version pruned too early. Whoever calls this holds the lock of the study,
    so nobody works on them.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)
        logger.info(
            "trial %d was interrupted and is not counted; its settings are tried again",
            trial.number,
        )
    early = _early_ones(plan, study)
    for trial in early:
        study.enqueue_trial(trial.params)
    if early:
        logger.info(
            "trials that were ended before epoch %d: %d; their settings are tried "
            "again",
            plan.prune_after,
            len(early),
        )


def _early_ones(plan: "Plan", study: "optuna.Study") -> "list[FrozenTrial]":
    """Return the trials that were pruned too early and were not tried again."""
    # newest first; settings that wait for their trial are not drawn yet
    tried: list[dict[str, Any]] = []
    found = []
    for trial in reversed(study.get_trials()):
        if _early(plan, trial) and trial.params not in tried:
            found.append(trial)
        if not _failed(trial):
            tried.append(trial.params or trial.system_attrs.get("fixed_params", {}))
    return found[::-1]
