"""What a disk refuses, in one sentence: which path, why, and what to do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from safetensors import SafetensorError

from micrec_pyg.schema import StorageError

PART = re.compile(r"\..+\.[^.]+-\d+-\d+\.part")
"""Name of the folder that holds what is not finished yet, see ``parts``."""

_IN_WAY = "a file stands where a folder belongs; move it away"
_DENIED = "permission is denied; change its rights, or choose another folder"
_NO_LOCK = "this file system cannot lock files; choose a folder on another disk"
ADVICE = {
    errno.ENOSPC: "the disk is full; make room, or choose another folder",
    errno.EDQUOT: "the quota of the disk is used up; make room, or choose another "
    "folder",
    errno.EFBIG: "the file is larger than the system permits; raise that limit "
    "(ulimit -f), or choose another disk",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EISDIR: "a folder stands where a file belongs; move it away",
    errno.ENOTDIR: _IN_WAY,
    errno.EEXIST: _IN_WAY,
    errno.ENOENT: "there is no such file or folder; check the path",
    errno.EMFILE: "too many files are open; raise that limit (ulimit -n)",
    errno.ENOLCK: _NO_LOCK,
    errno.ENOSYS: _NO_LOCK,
    errno.EOPNOTSUPP: _NO_LOCK,
    errno.EIO: "the disk cannot be read or written; check it",
}
# polars and safetensors tell the system's error only in their text
_NUMBER = re.compile(r"\(os error (\d+)\)")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of the system into a ``StorageError`` with one sentence.

    Args:
        path: What the work is about, for errors that name no file.

    Raises:
        StorageError: The disk refused.
    """
    try:
        yield
    except (StorageError, BrokenPipeError):  # who read a pipe has gone: no disk's fault
        raise
    except OSError as error:
        raise StorageError(sentence(error, path)) from error
    except (SafetensorError, pl.exceptions.PolarsError) as error:
        if _NUMBER.search(str(error)) is None:
            raise
        raise StorageError(sentence(error, path)) from error


def sentence(error: Exception, path: Path | None = None) -> str:
    """Return what failed, why, and what to do.

    Args:
        error: Of the system, or of a library that reports one.
        path: What the work was about, for errors that name no file.
    """
    if isinstance(error, StorageError):
        return str(error)
    number, text = getattr(error, "errno", None), str(error)
    told = _NUMBER.search(text)
    if number is None and told is not None:
        number = int(told.group(1))
    named = getattr(error, "filename", None)
    where = path if named is None else Path(os.fsdecode(named))
    reason = ADVICE.get(number) if number is not None else None
    if reason is None:
        reason = os.strerror(number) if number is not None else text
    return reason if where is None else f"{_final(where)}: {reason}"


def _final(path: Path) -> Path:
    """Return where something belongs that lies in the folder of unfinished parts."""
    return Path(*(part for part in path.parts if not PART.fullmatch(part)))
