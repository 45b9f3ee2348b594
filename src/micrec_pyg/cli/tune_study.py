"""A study of Optuna: trials of settings, each a run that validation judges."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from micrec_pyg import grid
from micrec_pyg.cli.pool import worker_pool
from micrec_pyg.cli.tune_ended import ended, try_again
from micrec_pyg.cli.tune_space import override, written
from micrec_pyg.cli.tune_trials import (
    RUN,
    STUDY,
    Plan,
    check_same_data,
    check_same_group,
    run_here,
    run_in,
    seconds_of,
    study_of,
)
from micrec_pyg.schema import DamagedFileError, InputError, StorageError
from micrec_pyg.storage.lock import locked
from micrec_pyg.storage.seals import MANIFEST, changing, check, remedy, seal

if TYPE_CHECKING:
    import optuna

DAMAGED = ("not a database", "malformed", "no such table", "no such column")
"""What SQLite says of a file that is damaged."""

SHOWN = 5
"""Best trials that are printed."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a search came to."""

    trials: pl.DataFrame
    """A row per trial that came to its end: number, state, value, seconds, its
    settings, and its run in the output folder."""
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
        InputError: Optuna is missing, no trial came to its end, or the data have
            changed since the first one.
    """
    with locked(plan.folder), _kept(plan.folder):
        study = study_of(plan)
        check_same_data(plan, study)
        check_same_group(plan, study)
        try_again(plan, study)
        missing = plan.trials - len(ended(plan, study))
        with worker_pool(min(jobs, missing), one_thread=False) as pool:
            if pool is not None:
                run_in(pool, plan, study, missing)
            elif missing > 0:
                run_here(plan, study, missing)
        return _outcome(plan, study)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Check the trials of a search, and seal them again when it ends.

    A search that was killed before it could be sealed is continued unchecked.

    Raises:
        DamagedFileError: They are not what was written, or cannot be read.
    """
    with remedy(f"delete {folder} and search again; trained runs are kept"):
        if (folder / STUDY).exists() and (folder / MANIFEST).exists():
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


def _inside(plan: Plan, run: str | None) -> str | None:
    """Return the path of a run in the output folder, wherever that is now."""
    output_dir = plan.folder.parents[1]
    return None if run is None else os.path.relpath(run, output_dir)


def lines_of(rows: grid.Rows) -> list[str]:
    """Return a table of trials as tables that fit a terminal, a blank line between."""
    tables = grid.within(rows, grid.WIDTH, keys=2)
    lines = [["", *(row.rstrip() for row in grid.aligned(each))] for each in tables]
    return [line for each in lines for line in each][1:]


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
            "seconds": seconds_of(each),
            **{key: written(each.params.get(key)) for key in plan.space},
            RUN: _inside(plan, each.user_attrs.get(RUN)),
        }
        for each in ended(plan, study)[
            : plan.trials
        ]  # an earlier call may have had more
    ]
    trials = pl.DataFrame(rows, infer_schema_length=None)
    trials = trials.cast({"seconds": pl.Int64}) if rows else trials
    done = trials.filter(state="complete").sort(plan.metric, descending=True)
    if done.is_empty():
        raise InputError(
            f"none of {len(rows)} trials has a value; look at the settings of the "
            f"trials in {plan.folder}, and change the search space"
        )
    best = done.row(0, named=True)
    # a value that was given for a key of the space is the first trial's alone
    kept = [each for each in plan.overrides if each.split("=")[0] not in plan.space]
    cells = [
        [str(v) if not isinstance(v, float) else f"{v:.4f}" for v in row]
        for row in done.head(SHOWN).drop("state", RUN).iter_rows()
    ]
    counts = trials["state"].value_counts().sort("state").rows()
    said = ", ".join(f"{number} {state}" for state, number in counts)
    return Outcome(
        trials,
        (*kept, *(override(key, best[key]) for key in plan.space)),
        [
            f"{len(rows)} trials: {said}; validation {plan.metric}, the best first:",
            *lines_of([done.drop("state", RUN).columns, *cells]),
        ],
    )
