"""What a person sees while a run works."""

import importlib
import json
import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.listener import Listener
from micrec_pyg.runs.progress_line import WIDTH, Course
from micrec_pyg.training.state import HISTORY

logger = logging.getLogger(__name__)

QUIET_S = 10.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Log how many seconds the block took."""
    begin = time.perf_counter()
    yield
    logger.info("%s: %.1f s", what, time.perf_counter() - begin)


class Progress(Listener):
    """One line: renewed in a terminal or a notebook, elsewhere written now and then."""

    def start(
        self, experiment: Experiment, folder: Path, data: Mapping[str, str]
    ) -> None:
        """Show how far the run is, which may have begun in another process."""
        # a notebook draws its own bar, which the other tqdm does not know
        tqdm = importlib.import_module("tqdm.auto" if in_notebook() else "tqdm").tqdm
        fit = experiment.fit
        self._course = Course(
            max_epochs=fit.max_epochs,
            patience=fit.patience,
            metric=fit.metric,
            weights=experiment.weights,
        )
        for row in _earlier(folder / HISTORY):
            self._course.add(row)
        self._last = time.monotonic()
        self._bar = tqdm(
            total=fit.max_epochs,
            bar_format="{bar}{desc}" if in_notebook() else "{desc}",
            disable=not (sys.stderr.isatty() or in_notebook()),
        )
        self._open = ExitStack()
        if not self._bar.disable:
            # else a log line would stand on the bar's line
            loggers = _loggers_of_the_console()
            self._open.enter_context(logging_redirect_tqdm(loggers))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Show one line of ``history.jsonl``."""
        now = time.monotonic()
        self._course.add(row, now)
        if not self._bar.disable:
            columns = shutil.get_terminal_size().columns - 1
            line = self._course.line(min(WIDTH, columns))
            self._bar.set_description_str(line, refresh=False)
            # a resumed run starts in the middle
            self._bar.update(max(0, self._course.done - self._bar.n))
        elif now - self._last >= QUIET_S:
            self._last = now
            logger.info("%s", self._course.line())

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        """Close the bar."""
        self._bar.close()
        self._open.close()


def _earlier(path: Path) -> list[dict[str, Any]]:
    """Return the epochs that an interrupted run has written."""
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return []  # none, or damaged; training reads its checkpoint and not this
    return [row for row in rows if isinstance(row, dict) and "loss" in row]


def _loggers_of_the_console() -> list[logging.Logger]:
    """Return the loggers that write to the console."""
    every = (logging.getLogger(), logging.getLogger("micrec_pyg"))
    return [each for each in every if any(map(_is_console, each.handlers))]


def _is_console(handler: logging.Handler) -> bool:
    console = (sys.stdout, sys.stderr)
    return isinstance(handler, logging.StreamHandler) and handler.stream in console


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", {})
