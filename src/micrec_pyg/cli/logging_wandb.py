"""Weights & Biases: a copy of a run's results, which never stops the run."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.listener import Listener

logger = logging.getLogger(__name__)


class Tracker(Listener):
    """One wandb run, or nothing where the logger is ``none`` or wandb failed."""

    def __init__(self, options: Mapping[str, Any], sweep: str | None) -> None:
        """Log nothing yet.

        Args:
            options: The setting ``logger``.
            sweep: Group of the run, unless the options name one.
        """
        self._options, self._sweep = options, sweep
        self._run: Any = None

    def start(self, experiment: Experiment, folder: Path) -> None:
        """Open the wandb run, with all settings; its files go to the run folder."""
        options = self._options
        if options["name"] != "wandb":
            return
        with self._tolerant():
            import wandb

            folder.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                mode=options["mode"],
                project=options["project"],
                entity=options["entity"],
                group=options["group"] or self._sweep,
                job_type=options["job_type"],
                name=folder.name,
                dir=str(folder),
                config=dict(experiment.settings),
            )

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log one line of ``history.jsonl``."""
        if self._run is not None:
            with self._tolerant():
                self._run.log(_flat(row), step=int(row["epoch"]))

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        """Log the final metrics as the run's summary, and close the run.

        A second call does nothing. A run that did not come to its metrics ends as
        failed.
        """
        run, self._run = self._run, None
        if run is not None:
            with self._tolerant():
                if metrics is not None:
                    run.summary.update(_flat(metrics))
                run.finish(exit_code=int(metrics is None))

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        """Turn any failure of wandb into a warning, and log nothing more."""
        try:
            yield
        except _failures() as error:
            self._run = None
            logger.warning("wandb failed, the run goes on without it: %s", error)


def _failures() -> tuple[type[BaseException], ...]:
    """Return what a call of wandb can raise; TimeoutError is an OSError."""
    ours = (ImportError, OSError, RuntimeError, TypeError, ValueError)
    try:
        from wandb.errors import Error
    except ImportError:
        return ours
    return (Error, *ours)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by path, such as ``val/A/ndcg@20``."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}/"))
        else:
            found[f"{prefix}{key}"] = value
    return found
