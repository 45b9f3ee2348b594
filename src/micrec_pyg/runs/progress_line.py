"""The line that says how far a run has come."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from micrec_pyg.durations import duration
from micrec_pyg.runs.averages import average

WIDTH = 79
"""Characters of the longest line: 80 columns, and one for the cursor."""

RECENT = 20
"""Epochs whose mean duration counts for the time that is left."""


@dataclass(kw_only=True, eq=False)
class Course:
    """What the epochs so far have shown."""

    max_epochs: int
    patience: int
    metric: str
    """Selects the best epoch: its mean over the domains."""
    weights: Mapping[str, float]
    """Of the losses, by name."""
    done: int = 0
    """Finished epochs."""
    loss: float | None = None
    """Weighted sum of the last epoch's losses; None where nothing is trained."""
    value: float | None = None
    """The metric at the last validation."""
    best: float | None = None
    best_epoch: int = 0
    """Counted from 0."""
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT + 1))

    def add(self, row: Mapping[str, Any], now: float | None = None) -> None:
        """Take in one line of ``history.jsonl``.

        Args:
            row: The line.
            now: When the epoch ended, in seconds; None for one of an earlier process.
        """
        if row["epoch"] < self.done:  # training began anew
            self.best = None
        self.done = int(row["epoch"]) + 1
        self.loss = None
        if row["loss"]:
            self.loss = sum(
                self.weights.get(name, 0.0) * value
                for name, value in row["loss"].items()
            )
        means = average(list((row.get("val") or {}).values()))
        if self.metric in means:
            self.value = means[self.metric]
            if self.best is None or self.value > self.best:
                self.best, self.best_epoch = self.value, self.done - 1
        if now is not None:
            self._times.append(now)

    def left_s(self) -> tuple[float, float] | None:
        """Return the least and the most seconds that are left; None: not known.

        The least is what patience leaves if no epoch is better than the best so far.
        """
        if len(self._times) < 2 or self.loss is None:
            return None
        epoch_s = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        most = self.max_epochs - self.done
        least = self.best_epoch + 1 + self.patience - self.done
        return max(0, min(least, most)) * epoch_s, most * epoch_s

    def line(self, width: int = WIDTH) -> str:
        """Return epoch, loss, metric, best so far and time left in one line.

        Args:
            width: Characters; what does not fit is left out, the loss first.
        """
        epoch = f"epoch {self.done}/{self.max_epochs}"
        loss = [] if self.loss is None else [f"loss {self.loss:.4f}"]
        value = [] if self.value is None else [f"{self.metric} {self.value:.4f}"]
        best = [] if self.best is None else [f"best {self.best:.4f}"]
        left = self.left_s()
        long = [] if left is None else [_left(*left)]
        short = [] if left is None else [f"at most {duration(left[1])} left"]
        choices = (
            [epoch, *loss, *value, *best, *long],
            [epoch, *loss, *value, *best, *short],
            [epoch, *value, *best, *short],
            [epoch, *value, *short],
            [epoch, *value],
        )
        lines = ["  ".join(parts) for parts in choices]
        return next((line for line in lines if len(line) <= width), epoch[:width])


def _left(least_s: float, most_s: float) -> str:
    least, most = duration(least_s), duration(most_s)
    if least == most:
        return f"at most {most} left"
    return f"{least} left, at most {most}"
