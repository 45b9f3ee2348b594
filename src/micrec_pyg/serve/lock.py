"""One writer per journal: the lock ends with the process, however that ends."""

import fcntl
import os
from pathlib import Path

from micrec_pyg.schema import InputError
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.lock import opened

FILE = "writer.lock"
"""Holds the number of the process that writes, for people."""


def lock(folder: Path) -> int:
    """Return the descriptor of the locked file; closing it ends the lock.

    Args:
        folder: Of the journal; made if it is not there.

    Raises:
        InputError: Another process writes there.
    """
    with explained(folder):
        file = opened(folder / FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            number = os.read(file, 20).decode(errors="replace").strip()
            os.close(file)
            raise InputError(
                f"{folder}: process {number or 'unknown'} takes additions there; stop "
                "it, or start this one with --read-only or another --state"
            ) from error
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
    return file
