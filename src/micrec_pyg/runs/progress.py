"""What a person sees while a run works."""

import importlib
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.listener import Listener

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
    """Epochs as a bar in a terminal or a notebook, elsewhere as a line now and then."""

    def start(self, experiment: Experiment, folder: Path) -> None:
        """Show epoch 0 of at most ``fit.max_epochs``."""
        # a notebook draws its own bar, which the other tqdm does not know
        tqdm = importlib.import_module("tqdm.auto" if in_notebook() else "tqdm").tqdm
        self._metric = experiment.fit.metric
        self._max_epochs = experiment.fit.max_epochs
        self._last = time.monotonic()
        self._bar = tqdm(
            total=self._max_epochs,
            unit="epoch",
            disable=not (sys.stderr.isatty() or in_notebook()),
        )

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Show one line of ``history.jsonl``."""
        if not self._bar.disable:
            # a resumed run starts in the middle
            self._bar.update(max(0, int(row["epoch"]) + 1 - self._bar.n))
            self._bar.set_postfix_str(self._describe(row))
        elif time.monotonic() - self._last >= QUIET_S:
            self._last = time.monotonic()
            logger.info(
                "epoch %s of at most %d: %s",
                row["epoch"] + 1,
                self._max_epochs,
                self._describe(row),
            )

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        """Close the bar."""
        self._bar.close()

    def _describe(self, row: Mapping[str, Any]) -> str:
        shown = [f"{name} {value:.4f}" for name, value in row["loss"].items()]
        shown += [
            f"{domain} {self._metric} {values[self._metric]:.4f}"
            for domain, values in (row.get("val") or {}).items()
            if self._metric in values
        ]
        return ", ".join(shown)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", {})
