"""Weights & Biases: a copy of a run's results, which never stops the run."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class Tracker:
    """One wandb run, or nothing where the logger is ``none`` or wandb failed."""

    def __init__(
        self, config: Mapping[str, Any], folder: Path, sweep: str | None
    ) -> None:
        """Open the run that ``config["logger"]`` asks for.

        Args:
            config: The resolved configuration, logged as it is.
            folder: The run folder; wandb's files go there.
            sweep: Group of the run, unless the configuration names one.
        """
        self._run: Any = None
        options = config["logger"]
        if options["name"] != "wandb":
            return
        with self._tolerant():
            import wandb

            folder.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                mode=options["mode"],
                project=options["project"],
                entity=options["entity"],
                group=options["group"] or sweep,
                job_type=options["job_type"],
                name=folder.name,
                dir=str(folder),
                config=dict(config),
            )

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log one line of ``history.jsonl``."""
        if self._run is not None:
            with self._tolerant():
                self._run.log(_flat(row), step=int(row["epoch"]))

    def result(self, metrics: Mapping[str, Any]) -> None:
        """Log the final metrics as the run's summary."""
        if self._run is not None:
            with self._tolerant():
                self._run.summary.update(_flat(metrics))

    def finish(self) -> None:
        """Close the run; a second call does nothing."""
        run, self._run = self._run, None
        if run is not None:
            with self._tolerant():
                run.finish()

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
