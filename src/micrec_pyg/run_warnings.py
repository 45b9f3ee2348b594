"""Warnings that name the run they belong to, each once per run.

What warns knows a graph or some scores, but not whose they are; like
``process_group``, the run that is worked on is a setting of the process.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_run: ContextVar[tuple[str, Path] | None] = ContextVar("run", default=None)

_said: set[tuple[Path, str]] = set()
"""Folder of a run, and what was said of it in this process."""


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
    """Log a warning with model and run before it; where they are known, once per run.

    Args:
        logger: Of the module that warns.
        what: Name of the warning: of one name the first one is logged.
        text: As of ``logging``, with places for the values.
        values: For these places.
    """
    run = _run.get()
    if run is None:
        logger.warning(text, *values)
        return
    model, folder = run
    if (folder, what) not in _said:
        _said.add((folder, what))
        logger.warning(f"%s, %s: {text}", model, folder.name, *values)
