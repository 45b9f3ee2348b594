"""A sweep: what each job came to, told as it ends and once more at the end.

Every job leaves a small file in the folder of the sweep, so that jobs of any launcher,
also on other machines, are in the tables; the runs themselves lie where runs lie.
"""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import get_type_hints

from micrec_pyg.cli.failures import told
from micrec_pyg.durations import duration
from micrec_pyg.runs.averages import average
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.sealed import METRICS
from micrec_pyg.runs.setting_types import check_value
from micrec_pyg.schema import InputError
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.writing import write_json

logger = logging.getLogger(__name__)

AXES = "MICREC_SWEEP_AXES"
"""Environment variable: the values of every key of the sweep, as JSON; jobs in other
processes read it too."""

WORKERS = "MICREC_SWEEP_WORKERS"
"""Environment variable: how many jobs run at a time."""

LAUNCH = "MICREC_SWEEP_LAUNCH"
"""Environment variable: when the command of the sweep began, in seconds."""

SEED = "seed"
"""The key whose values are repetitions of one setting."""

TASK = ("data", "dataset", "pair", "experiment", "split", "fit.metric")
"""Keys, alone or before a dot, that change what is asked: across their values a higher
metric says nothing."""

ANEW = "delete it; the same sweep writes it anew"
"""What to do about a damaged file of a job."""


@dataclass(frozen=True)
class Job:
    """One job of a sweep that came to its end."""

    number: int
    """From 0, in the order of the sweep."""
    overrides: Mapping[str, str]
    """Its own values, by key."""
    metric: str
    """What selects, such as ``ndcg@20``."""
    seconds: float
    folder: str | None = None
    """Of the run."""
    value: float | None = None
    """Of the metric on validation, mean over the domains, of the selected epoch."""
    error: str | None = None
    """Why there is no run."""
    of: int = 0
    """Jobs of the sweep; 0 where that is not known."""
    group: str | None = None
    """Of the users and items that the value is about; earlier versions did not say."""
    launch: float = 0.0
    """When the command began that ran it; 0 where that is not known."""
    data: str | None = None
    """Digests of the data of its run; earlier versions did not say."""


def changes_task(key: str) -> bool:
    """Return whether values of this key make other questions, which do not compare."""
    return any(f"{key}.".startswith(f"{each}.") for each in TASK)


def name_of(argv: Sequence[str]) -> str:
    """Return the name of a sweep: the same command continues the same sweep."""
    return hashlib.sha256("\n".join(argv).encode()).hexdigest()[:8]


def run_job(
    train: Callable[[], Path],
    *,
    sweep: Path,
    number: int,
    overrides: Sequence[str],
    metric: str,
) -> float:
    """Return the metric of one job; NaN if it failed, which ends no other job.

    Args:
        train: Returns the folder of the run.
        sweep: Folder of the sweep.
        number: Of the job, from 0.
        overrides: Of the job, those of all jobs among them.
        metric: What selects.
    """
    axes = _axes()
    pairs = [(k.lstrip("+"), v) for k, _, v in (o.partition("=") for o in overrides)]
    remove_stale_parts(sweep)
    begin = time.monotonic()
    folder = value = group = data = error = None
    try:
        folder = train()
        value, group = selection(folder, metric), group_of(folder)
        data = " ".join(read_json(folder / METRICS).get("data", {}).values()) or None
        print(folder, flush=True)
    # As at the top of the command line: the other jobs go on, and nothing is hidden.
    except Exception as failure:
        _, error = told(failure)
    job = Job(
        number=number,
        overrides={key: value for key, value in pairs if not axes or key in axes},
        metric=metric,
        seconds=round(time.monotonic() - begin, 1),
        folder=None if folder is None else str(folder),
        value=value,
        error=error,
        of=count(),
        group=group,
        launch=float(os.environ.get(LAUNCH, "0")),
        data=data,
    )
    write_json(sweep / f"job-{number}.json", asdict(job))
    _tell_job(job, sweep)
    return float("nan") if value is None else value


def count() -> int:
    """Return the number of jobs of the sweep that this process is part of, 0 unknown.

    It is known where every key lists its values.
    """
    axes = _axes()
    return math.prod(len(values) for values in axes.values()) if axes else 0


def selection(folder: Path, metric: str) -> float:
    """Return a metric of a finished run on validation, mean over the domains.

    Raises:
        InputError: The folder holds no finished run.
    """
    val = read_json(folder / METRICS)["val"]
    # one group of each domain: all, or the widest that a model answers
    found = [next(iter(groups.values())) for groups in val.values()]
    means = average(found)
    if metric not in means:
        raise InputError(
            f"{folder}: its validation has no {metric}; delete the folder and train "
            "again, or give another fit.metric"
        )
    return means[metric]


def group_of(folder: Path) -> str:
    """Return the group that a finished run was selected on, of users and items.

    It is all, or the widest that the model answers; one per domain where they differ.
    """
    val = read_json(folder / METRICS)["val"]
    found = [next(iter(groups)) for groups in val.values()]
    return found[0] if len({*found}) == 1 else ",".join(found)


def read(sweep: Path) -> list[Job]:
    """Return the jobs of a sweep in their order.

    Of an earlier launch only failures are given, until they are run again: its values
    may be of other data, and the newest launch finds each anew.

    Raises:
        InputError: The folder holds none, or a file is not what it should be.
    """
    paths = sweep.glob("job-*.json")
    found = sorted(map(_read_job, paths), key=lambda job: job.number)
    if not found:
        raise InputError(
            f"'{sweep}' holds no job of a sweep; give the folder that "
            "`micrec train -m` named at its end"
        )
    newest = max(job.launch for job in found)
    return [job for job in found if job.launch == newest or job.value is None]


def _read_job(path: Path) -> Job:
    """Return what one job came to.

    Raises:
        InputError: The file is not as ``run_job`` wrote it.
    """
    values = read_json(path, ANEW)
    kinds = get_type_hints(Job)
    # earlier versions did not write these
    values = {"of": 0, "group": None, "launch": 0.0, "data": None, **values}
    if values.keys() != kinds.keys():
        raise InputError(f"{path}: the keys {', '.join(kinds)} are needed; {ANEW}")
    for name, kind in kinds.items():
        try:
            check_value(values[name], kind, name)
        except InputError as error:
            raise InputError(f"{path}: {error}; {ANEW}") from error
    job = Job(**values)
    return replace(job, folder=_place(job.folder, path.parent))


def _place(folder: str | None, sweep: Path) -> str | None:
    """Return a run's folder as it is found from here, unchanged if it is not.

    It is noted as the launch of the sweep named it, relative to where that was: a
    folder above the sweep, wherever both are now.
    """
    if folder is None or Path(folder, METRICS).is_file():
        return folder
    places = [above / folder for above in sweep.absolute().parents]
    found = (str(place) for place in places if (place / METRICS).is_file())
    return next(found, folder)


def _tell_job(job: Job, sweep: Path) -> None:
    """Log one line about a job, and how long the others may take."""
    total = count()
    of = f" of {total}" if total > 1 else ""
    what = job.error or f"{job.metric} {job.value:.4f}"
    left = ""
    if total > job.number + 1:
        with suppress(InputError):  # a damaged file: its job is yet to write it anew
            mean = fmean(each.seconds for each in read(sweep))
            rest = mean * (total - job.number - 1) / int(os.environ.get(WORKERS, "1"))
            left = f", about {duration(rest)} left"
    state = "failed" if job.error else "done"
    logger.info(
        "job %d%s %s in %.0f s: %s: %s%s",
        job.number + 1,
        of,
        state,
        job.seconds,
        words(job.overrides),
        what,
        left,
    )


def _axes() -> dict[str, list[str]]:
    """Return the keys and values of the sweep that this process is part of."""
    found: dict[str, list[str]] = json.loads(os.environ.get(AXES, "{}"))
    return found


def words(overrides: Mapping[str, str]) -> str:
    """Return keys and values as they are given on the command line."""
    return " ".join(f"{key}={value}" for key, value in overrides.items())
