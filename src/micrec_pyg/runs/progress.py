"""What a person sees while a command works."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)

QUIET_S = 10.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Log how many seconds the block took."""
    begin = time.perf_counter()
    yield
    logger.info("%s: %.1f s", what, time.perf_counter() - begin)


class Progress:
    """Epochs as a bar in a terminal, elsewhere as a line now and then."""

    def __init__(self, max_epochs: int, metric: str) -> None:
        """Start at epoch 0; ``metric`` is the validation metric to show."""
        from tqdm import tqdm

        self._metric = metric
        self._max_epochs = max_epochs
        self._last = time.monotonic()
        self._bar = tqdm(
            total=max_epochs, unit="epoch", disable=not sys.stderr.isatty()
        )

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()

    def epoch(self, row: dict[str, Any]) -> None:
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

    def _describe(self, row: dict[str, Any]) -> str:
        shown = [f"{name} {value:.4f}" for name, value in row["loss"].items()]
        shown += [
            f"{domain} {self._metric} {values[self._metric]:.4f}"
            for domain, values in (row.get("val") or {}).items()
            if self._metric in values
        ]
        return ", ".join(shown)
