"""Files that may be compressed by gzip, opened as if they were not."""

import gzip
import io
import zlib
from pathlib import Path

DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)
"""What reading raises where the compressed data are damaged or cut off."""
BOM = b"\xef\xbb\xbf"
"""Stands before UTF-8 text of some programs."""
_GZIP = b"\x1f\x8b"


def open_bytes(path: Path) -> io.BufferedReader | gzip.GzipFile:
    """Return the open content of a file, decompressed where it is compressed.

    Whether it is, is seen from its content, not from its name.
    """
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
    return gzip.GzipFile(path) if compressed else path.open("rb")


def open_lines(path: Path, newline: str | None = None) -> io.TextIOWrapper:
    """Return the open text of a file (UTF-8, without a byte-order mark).

    Args:
        path: the file.
        newline: as for ``open``.
    """
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline=newline)
