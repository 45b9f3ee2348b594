"""The files of a run that are read again: sealed when it is complete, then checked."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from micrec_pyg.storage.seals import check, remedy, seal
from micrec_pyg.training.state import HISTORY

METRICS = "metrics.json"
READ_AGAIN = ("config.yaml", HISTORY, "per_user.parquet")
"""Beside the artefact and ``metrics.json``; cards are for people alone."""


def seal_run(folder: Path) -> None:
    """Seal a run's files, all but ``metrics.json``, which is written after this."""
    artefact = [
        path
        for path in (folder / "artefact").rglob("*")
        if path.is_file() and path.suffix != ".md"
    ]
    names = [path.relative_to(folder).as_posix() for path in artefact]
    seal(folder, [*names, *(n for n in READ_AGAIN if (folder / n).exists())])


def check_run(folder: Path, names: Sequence[str] | None = None) -> None:
    """Check that files of a run are what was written.

    A run of an earlier version, which has no seal, passes with a log line.

    Args:
        folder: Of the run.
        names: Paths inside the folder; None takes all that are read again.

    Raises:
        DamagedFileError: A file is missing, or another one; the message names it.
    """
    with remedy_of_run(folder):
        check(folder, names)


def remedy_of_run(folder: Path) -> AbstractContextManager[None]:
    """Return a context that says what to do about a damaged file of a run."""
    return remedy(f"restore the file, or delete {folder} and train again")
