"""One process at a time in a folder, or at a file or folder that is made once."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from micrec_pyg.storage.failures import explained

logger = logging.getLogger(__name__)

FILE = ".lock"
"""Empty; what locks is the operating system. It is there while somebody works."""
TRIES = 100
"""Times that a folder is made again which another process removes meanwhile."""


@contextmanager
def locked(folder: Path, *, quiet: bool = False) -> Iterator[None]:
    """Keep all other processes out of a folder, and wait while one is in it.

    The lock ends with the process that holds it, however that ends.

    Args:
        folder: Made if it is not there; removed if it is left empty.
        quiet: Whether nothing is said of waiting, where it takes a moment.
    """
    file = _take(folder, quiet=quiet)
    try:
        yield
    finally:
        (folder / FILE).unlink(missing_ok=True)
        os.close(file)
        with suppress(OSError):  # as a rule it is not empty
            folder.rmdir()


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Keep other processes from making the same file or folder, and wait for them.

    Whoever waited finds it made: look again inside.

    Args:
        path: What is made; the lock lies beside it and is gone afterwards.
    """
    was_there = path.parent.exists()
    try:
        with locked(path.with_name(f".{path.name[:100]}.making")):
            yield
    finally:
        if not was_there:
            with suppress(OSError):  # as a rule something was made
                path.parent.rmdir()


def opened(path: Path) -> int:
    """Return the descriptor of a file to lock; it and its folder are made if missing.

    Raises:
        OSError: Of the system.
    """
    for _ in range(TRIES):
        # whoever leaves the folder may remove it between these two
        with suppress(FileNotFoundError, FileExistsError):
            return _opened(path)
    return _opened(path)


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_CREAT | os.O_RDWR, 0o666)


def _take(folder: Path, *, quiet: bool) -> int:
    """Return the descriptor of the locked file."""
    while True:
        with explained(folder):  # what flock raises names no file
            file = opened(folder / FILE)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not quiet:
                    logger.info(
                        "%s: another process works there; waiting for it", folder
                    )
                fcntl.flock(file, fcntl.LOCK_EX)
        if _is_there(file, folder / FILE):
            return file
        # it belonged to a process that has finished, and others may hold a new one
        os.close(file)


def _is_there(file: int, path: Path) -> bool:
    """Return whether an open file is still the one of this path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
