"""Who is told what a run does, while it does it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from micrec_pyg.runs.experiment import Experiment


class Listener:
    """Told of the begin of training, of every epoch, and of the end; does nothing."""

    def start(
        self, experiment: Experiment, folder: Path, data: Mapping[str, str]
    ) -> None:
        """Hear that a run is about to train.

        Args:
            experiment: What the run is.
            folder: Where it goes.
            data: Digest of each domain's catalogue as read.
        """

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Hear one line of ``history.jsonl``."""

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        """Hear the content of ``metrics.json``; None if the run did not come so far."""


class Listeners(Listener):
    """Many listeners as one, told in their order."""

    def __init__(self, every: Sequence[Listener]) -> None:
        """Collect the listeners."""
        self._every = every

    def start(
        self, experiment: Experiment, folder: Path, data: Mapping[str, str]
    ) -> None:
        """Tell all."""
        for each in self._every:
            each.start(experiment, folder, data)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Tell all."""
        for each in self._every:
            each.epoch(row)

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        """Tell all."""
        for each in self._every:
            each.finish(metrics)


class Call(Listener):
    """Calls a function with every line of ``history.jsonl``."""

    def __init__(self, function: Callable[[dict[str, Any]], None]) -> None:
        """Keep the function."""
        self._function = function

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Call it."""
        self._function(dict(row))
