"""Warnings that name the run they belong to, each once.

What warns knows a graph or some scores, but not whose they are; like
``process_group``, the run that is worked on is a setting of the process.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_run: ContextVar[tuple[str, Path] | None] = ContextVar("run", default=None)

_said: set[tuple[Path | None, str]] = set()
"""Folder of a run, or none, and what was said of it in this process."""


@contextmanager
def working_on(model: str, folder: Path) -> Iterator[None]:
    """Name a run in all warnings of ``warn`` inside.

    Args:
        model: Name of its model.
        folder: Of the run.
    """
    before = _run.set((model, folder))
    try:
        yield
    finally:
        _run.reset(before)


def warn(logger: logging.Logger, what: str, text: str, *values: object) -> None:
    """Log a warning with model and run before it, once per run.

    Where no run is known, as for the questions to a service, once per process.

    Args:
        logger: Of the module that warns.
        what: Name of the warning: of one name the first one is logged.
        text: As of ``logging``, with places for the values.
        values: For these places.
    """
    run = _run.get()
    folder = None if run is None else run[1]
    if (folder, what) in _said:
        return
    _said.add((folder, what))
    if run is None:
        logger.warning(text, *values)
    else:
        logger.warning(f"%s, %s: {text}", run[0], run[1].name, *values)
