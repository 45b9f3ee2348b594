"""Many runs, several at a time: worker processes, progress, and what failed."""

import io
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from micrec_pyg.cli.process import log_to_stderr, prepare
from micrec_pyg.cli.studies.steps import Step
from micrec_pyg.cli.time_left import TimeLeft
from micrec_pyg.cli.workers import worker_processes
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

Result = tuple[Path, float]
"""Run folder, and the seconds that such a run takes."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""Read by libraries when they are loaded, hence set before a worker starts."""


@dataclass(frozen=True)
class Job:
    """One run to train and test, or a search of settings."""

    label: str
    """Row of the tables; jobs of one label should take equally long."""
    name: str
    """What a person reads, such as ``MICRec, split=random, seed 0``."""
    overrides: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    """What is measured beside the metrics, after the test."""
    trials: int = 0
    """Of a search; 0: a run."""
    data: str = ""
    """Digest of what it reads, where one list of jobs has several."""

    @property
    def command(self) -> str:
        """Return what does the same alone, on the command line."""
        words = ["micrec", "tune" if self.trials else "train", *self.overrides]
        if self.trials:
            words += ["--trials", str(self.trials)]
        return shlex.join(words)


@dataclass
class Outcome:
    """What became of a list of jobs."""

    folders: dict[Job, Path] = field(default_factory=dict)
    errors: dict[Job, BaseException] = field(default_factory=dict)
    unwritten: list[str] = field(default_factory=list)
    """Of studies and pairs of data: each that has no page, and why."""


def run_all(
    todo: Sequence[Job],
    workers: int,
    told: Callable[[Job, Result], None] | None = None,
    *,
    work: Callable[[Job], Result] | None = None,
) -> Outcome:
    """Return the folders of all jobs, and the errors of those that failed.

    The first job runs alone: it fetches the data and fills the caches that all
    others read. After an interruption finished runs are there to be found again.

    Args:
        todo: What to run; a finished run is not run again.
        workers: Processes, of one thread each; 0 or 1 runs all in this process.
        told: Called with each job that is done, as soon as it is.
        work: Does one job; None: ``run``.

    Raises:
        InputError: The first job was refused; the others are not tried.
    """
    outcome, work = Outcome(), work or run
    estimate = TimeLeft([job.label for job in todo], max(1, workers))
    with _progress(len(todo)) as show:

        def ended(job: Job, future: Future[Result]) -> None:
            error = future.exception()
            if error is None:
                outcome.folders[job], seconds = future.result()
                estimate.seconds[job.label].append(seconds)
                if told is not None:
                    told(job, (outcome.folders[job], seconds))
            elif job is todo[0] and isinstance(error, InputError):
                raise error
            else:
                outcome.errors[job] = error
                logger.warning("%s failed: %s", job.name, describe(error))
            estimate.waiting.remove(job.label)
            show(job, estimate.left())

        # what killed a process must not run in this one, however little is left
        left, size = list(todo), min(workers, len(todo))
        while left:
            killed = _until_killed(left, size, work, ended)
            if killed[:1] == left[:1]:  # it was alone
                ended(left[0], _lost(killed.pop(0)))
            left = killed
            if left:
                logger.warning(
                    "a process was killed, perhaps for want of memory: %d runs begin "
                    "again; a smaller --jobs takes less memory",
                    len(left),
                )
    return outcome


def describe(error: BaseException) -> str:
    """Return an error in one line; its kind too where it is not the user's."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


def run(job: Job) -> Result:
    """Return the run folder of one job, trained and tested, and its seconds."""
    from micrec_pyg.cli.tracking.push import add_results
    from micrec_pyg.cli.train import train_job
    from micrec_pyg.runs.evaluate import evaluate_job

    begin = time.perf_counter()
    folder = train_job(list(job.overrides))
    metrics = evaluate_job(folder)
    add_results(folder)
    for step in job.steps:
        step.take(folder)
    # a finished run returns at once, but says how long it took
    once = float(metrics.get("timing", {}).get("fit_s", 0.0))
    return folder, max(time.perf_counter() - begin, once)


def _until_killed(
    jobs: Sequence[Job],
    workers: int,
    work: Callable[[Job], Result],
    ended: Callable[[Job, Future[Result]], None],
) -> list[Job]:
    """Run jobs, the first of them alone; return those that a killed process lost.

    A pool of which one process is killed ends them all.
    """
    killed: list[Job] = []
    with worker_pool(workers) as pool:
        for share in (jobs[:1], jobs[1:]):
            if killed:
                return [*killed, *share]
            for job, future in _finished(share, pool, work):
                if isinstance(future.exception(), BrokenProcessPool):
                    killed.append(job)
                else:
                    ended(job, future)
    return killed


def _lost(job: Job) -> Future[Result]:
    """Return what became of a run whose process was killed while it ran alone."""
    future: Future[Result] = Future()
    future.set_exception(
        InputError(
            f"the process of {job.name} was killed, perhaps for want of memory, though "
            "nothing ran beside it"
        )
    )
    return future


def _finished(
    share: Sequence[Job],
    pool: ProcessPoolExecutor | None,
    work: Callable[[Job], Result],
) -> Iterator[tuple[Job, Future[Result]]]:
    """Yield every job as soon as it is done."""
    if pool is None:
        for job in share:
            yield job, _here(job, work)
        return
    waiting = {pool.submit(work, job): job for job in share}
    for future in as_completed(waiting):
        yield waiting[future], future


def _here(job: Job, work: Callable[[Job], Result]) -> Future[Result]:
    """Run a job in this process; an error of the run stays with it."""
    future: Future[Result] = Future()
    try:
        future.set_result(work(job))
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        future.set_exception(error)
    return future


@contextmanager
def worker_pool(
    workers: int, *, one_thread: bool = True
) -> Iterator[ProcessPoolExecutor | None]:
    """Yield worker processes, or None for none; an interruption ends them at once.

    Args:
        workers: How many; below 2 there is none.
        one_thread: Give each worker one thread; else it has as many as it likes.
    """
    if workers < 2:
        yield None
        return
    before = {name: os.environ.get(name) for name in THREADS if one_thread}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        with worker_processes(workers, partial(_begin_worker, one_thread)) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


class _NoTerminal(io.TextIOWrapper):
    """Standard error of a worker, whose own bars would spoil the common one."""

    def isatty(self) -> bool:
        return False


class _Once(logging.Filter):
    """Lets through what was not said before: runs of the same data say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text in self.said:
            return False
        self.said.add(text)
        return True


def _begin_worker(one_thread: bool) -> None:
    """Prepare a worker: its threads, no bars, and each warning once."""
    import torch

    sys.stderr = _NoTerminal(sys.stderr.buffer, line_buffering=True)
    log_to_stderr(logging.WARNING).addFilter(_Once())
    prepare()
    if one_thread:
        torch.set_num_threads(1)


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Yield a function (job, time left): a bar in a terminal, lines elsewhere."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    shape = "{n_fmt} of {total_fmt} runs |{bar}| {elapsed}{postfix}"
    hidden = not sys.stderr.isatty()
    with (
        logging_redirect_tqdm(),
        tqdm(total=total, bar_format=shape, disable=hidden) as bar,
    ):
        done = 0

        def show(job: Job, left: str) -> None:
            nonlocal done
            done += 1
            if hidden:
                logger.info("%d of %d done, %s (%s)", done, total, left, job.name)
            else:
                bar.update()
                bar.set_postfix_str(f"{left} ({job.name})")

        yield show
