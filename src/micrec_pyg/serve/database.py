"""SQLite as the journal uses it: commits that last, errors in one sentence."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from micrec_pyg.schema import DamagedFileError, StorageError

REMEDY = "restore it from a copy, or move its folder away to begin without additions"
SECONDS = 10.0
"""For which another process that uses the file is waited for."""
REFUSALS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_READONLY: "it is read-only; change its rights",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the path and its rights",
    sqlite3.SQLITE_PERM: "permission is denied; change its rights",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written; check it",
    sqlite3.SQLITE_BUSY: "another process works with it; try again",
    sqlite3.SQLITE_LOCKED: "another process works with it; try again",
}
"""What a disk refuses; any other error of the file is damage."""


def connect(path: Path, mode: Literal["ro", "rwc"]) -> sqlite3.Connection:
    """Return a connection; whoever uses it sees to it that one thread does at a time.

    Args:
        path: Of the file.
        mode: ``ro`` reads alone, ``rwc`` makes the file if it is not there.
    """
    base = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,  # transactions begin and end where we say so
        check_same_thread=False,
        timeout=SECONDS,
    )
    if mode == "rwc":
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("PRAGMA secure_delete = ON")
    return base


def check(base: sqlite3.Connection, path: Path) -> None:
    """Check the structure of a database.

    Raises:
        DamagedFileError: It is damaged.
    """
    (found,) = base.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise DamagedFileError(f"{path} is damaged ({found}); {REMEDY}")


def compact(base: sqlite3.Connection) -> None:
    """Write the file anew without what was deleted."""
    base.execute("VACUUM")


def empty_log(base: sqlite3.Connection, path: Path) -> None:
    """Take everything out of the write-ahead log, old rows too.

    Raises:
        StorageError: Another process reads rows of it, so that it was left.
    """
    # that it was left is told in a row, and no error
    if base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise StorageError(f"{path}: another process reads it; end that process")


@contextmanager
def patience(base: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Wait for other processes for other than the usual time."""
    base.execute(f"PRAGMA busy_timeout = {int(1000 * seconds)}")
    try:
        yield
    finally:
        base.execute(f"PRAGMA busy_timeout = {int(1000 * SECONDS)}")


@contextmanager
def transaction(
    base: sqlite3.Connection, kind: Literal["DEFERRED", "IMMEDIATE"]
) -> Iterator[sqlite3.Connection]:
    """Commit at the end what was done, or undo all of it; ``DEFERRED`` reads alone."""
    base.execute(f"BEGIN {kind}")
    try:
        yield base
        base.execute("COMMIT")
    except BaseException:
        if base.in_transaction:  # SQLite ends some itself, as where the disk is full
            base.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an error of SQLite into one sentence.

    Raises:
        StorageError: The disk refuses.
        DamagedFileError: The file is none of ours, or damaged.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        reason = REFUSALS.get(code & 0xFF) if code is not None else None
        if reason is not None:
            raise StorageError(f"{path}: {reason}") from error
        raise DamagedFileError(f"{path} is damaged ({error}); {REMEDY}") from error
