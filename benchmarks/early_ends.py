"""How often ending trials early loses the best one, as docs/protocol.md has it.

``python -m benchmarks.early_ends FOLDER`` reads the searches below a folder, such as
``outputs/tune``. The first four trials of a search are never ended, so their whole
curves are there. Per epoch it counts the searches in which the best of the four was
behind the median of the other three: there the median would have ended it.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna

from micrec_pyg.cli.tune_trials import STARTED, STUDY

EPOCHS = (5, 10, 15, 20, 30, 40, 50, 60, 70)

Curve = Mapping[int, float]
"""The metric on validation by epoch."""


def main() -> None:
    """Print a line per epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with study.db files below it")
    searches = [
        curves
        for path in sorted(parser.parse_args().folder.glob(f"**/{STUDY}"))
        if len(curves := first_curves(path)) == STARTED
    ]
    print(f"{len(searches)} searches with {STARTED} whole trials that took epochs")
    for epoch in EPOCHS:
        told = [lost for each in searches if (lost := behind(each, epoch)) is not None]
        print(f"epoch {epoch}: the best is behind in {sum(told)} of {len(told)}")


def first_curves(path: Path) -> list[Curve]:
    """Return the curves of the first trials of a search that came to their end."""
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{path}")
    done = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    return [each.intermediate_values for each in done[:STARTED] if _epochs(each) > 1]


def _epochs(trial: optuna.trial.FrozenTrial) -> int:
    return len(trial.intermediate_values)


def behind(curves: Sequence[Curve], epoch: int) -> bool | None:
    """Return whether the curve that is best at last is behind the others at an epoch.

    As in Optuna's median rule, its best value until then counts against the median of
    the others at that epoch.

    Returns:
        None where no other trial lasted until then.
    """
    best = max(curves, key=lambda curve: max(curve.values()))
    others = [curve[epoch] for curve in curves if curve is not best and epoch in curve]
    if not others:
        return None
    until = [value for at, value in best.items() if at <= epoch]
    return max(until) < statistics.median(others)


if __name__ == "__main__":
    main()
