"""A copy of a run at wandb while it trains, which never stops the run."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.cli.tracking.artifacts import log_inputs_and_model
from micrec_pyg.cli.tracking.push import push
from micrec_pyg.cli.tracking.session import begin, is_on, log_epoch, mark_of, tolerant
from micrec_pyg.cli.tracking.values import epoch_values, learning_rate, summary_values
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.listener import Listener
from micrec_pyg.training.state import HISTORY

AGENT = "WANDB_SWEEP_ID"
"""Environment variable that an agent of ``wandb sweep`` sets for its jobs."""


class Tracker(Listener):
    """One wandb run, or nothing where the logger is ``none`` or wandb failed."""

    def __init__(self, options: Mapping[str, Any], sweep: str | None) -> None:
        """Log nothing yet.

        Args:
            options: The setting ``logger``.
            sweep: Group of the run, unless the options name one.
        """
        self._options = {**options, "group": options.get("group") or sweep}
        self._run: Any = None
        self._folder: Path | None = None
        self._settings: Mapping[str, Any] = {}
        self._rate: Callable[[int], float] | None = None

    def start(
        self, experiment: Experiment, folder: Path, data: Mapping[str, str]
    ) -> None:
        """Open the wandb run, with all settings; its files go to the run folder."""
        if not is_on(self._options):
            return
        self._folder, self._settings = folder, experiment.settings
        with tolerant():
            self._run = begin(folder, experiment.settings, self._options, data)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log one line of ``history.jsonl``.

        Before the first one come those of an earlier, interrupted call: without a
        network each call writes a log of its own, and the last one is to have all.
        """
        if self._run is None:
            return
        run, self._run = self._run, None
        with tolerant():
            if self._rate is None:
                self._rate = learning_rate(self._settings)
                for earlier in self._earlier(row):
                    log_epoch(run, epoch_values(earlier, self._rate))
            log_epoch(run, epoch_values(row, self._rate))
            self._run = run  # it did not fail

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        """Log the final metrics as the run's summary, its files, and close the run.

        A second call does nothing. A run that did not come to its metrics ends as
        failed.
        """
        run, self._run = self._run, None
        if run is None or self._folder is None:
            return
        with tolerant():
            if metrics is not None:
                run.summary.update(summary_values(metrics))
                if self._options.get("artifacts", True):
                    log_inputs_and_model(run, self._folder, self._settings, metrics)
        with tolerant():
            run.finish(exit_code=int(metrics is None))

    def complete(self, folder: Path) -> None:
        """Send a run that was complete before this call, where wandb lacks it."""
        if self._folder is not None or not is_on(self._options):
            return
        with tolerant():
            if mark_of(folder) is None or AGENT in os.environ:
                push(folder, self._options)

    def _earlier(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the lines of ``history.jsonl`` before this one."""
        assert self._folder is not None
        path = self._folder / HISTORY
        if row["epoch"] == 0 or not path.is_file():
            return []
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [each for each in rows if each["epoch"] < row["epoch"]]
