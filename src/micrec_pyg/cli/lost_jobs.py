"""Jobs of a sweep whose process or node ended: told, and run once more."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from micrec_pyg.cli.sweep_jobs import count

logger = logging.getLogger(__name__)

TRIES = 2
"""How often a sweep is launched; what is complete returns at once."""

SLACK_S = 1.0
"""A file system may date a file a little before the clock of the process."""


def launch(start: Callable[[], None], sweep: Path) -> Sequence[int]:
    """Return the numbers of the jobs that have left no result, from 0; mostly none.

    A job that fails leaves a result, its error. One whose process ended (killed, out
    of memory, a lost node) leaves none: the sweep is launched once more for these.

    Args:
        start: Launches all jobs; of a launcher, joblib and submitit raise a
            RuntimeError where a process has ended, and Ray starts the job again.
        sweep: Folder of the sweep.
    """
    begin = time.time()
    lost: Sequence[int] = []
    for left in reversed(range(TRIES)):
        reason = _started(start)
        lost = _without_result(sweep, begin - SLACK_S)
        if not lost:
            return []
        logger.warning(
            "%s left no result: %s%s",
            numbered(lost),
            reason or "its process has ended",
            "; what is not complete runs again" if left else "",
        )
    return lost


def numbered(jobs: Sequence[int]) -> str:
    """Return jobs in words, counted from 1."""
    numbers = ", ".join(str(job + 1) for job in jobs[:10])
    more = f" and {len(jobs) - 10} others" if len(jobs) > 10 else ""
    return f"{'job' if len(jobs) == 1 else 'jobs'} {numbers}{more}"


def _started(start: Callable[[], None]) -> str:
    """Launch, and return why it ended early in one line; empty if it did not."""
    try:
        start()
    except RuntimeError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return lines[0]
    return ""


def _without_result(sweep: Path, since: float) -> list[int]:
    """Return the jobs without a file that was written since then."""
    files = ((number, sweep / f"job-{number}.json") for number in range(count()))
    return [
        number
        for number, path in files
        if not path.exists() or path.stat().st_mtime < since
    ]
