"""Text files of any length as blocks of whole lines, plain or gzip alike."""

from collections.abc import Iterator
from pathlib import Path

from micrec_pyg.data.files.compressed import BOM, DAMAGED, open_bytes
from micrec_pyg.data.files.problems import Problem
from micrec_pyg.schema import InputError

BLOCK = 2**24
"""Bytes of text read at once."""
_MAX_LINE = 2**26


def blocks(
    path: Path, *, size: int | None = None, longest: int = -1
) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines in blocks, each with the number of its first line.

    A byte-order mark is left out.

    Args:
        path: a file, plain or compressed; its content says which.
        size: least number of bytes per block, but for the last one; None: ``BLOCK``.
        longest: most bytes of the last line that are read on; -1: all.
    """
    line = 1
    with open_bytes(path) as file:
        while block := file.read(size or BLOCK):
            block += file.readline(longest)
            yield line, block.removeprefix(BOM) if line == 1 else block
            line += block.count(b"\n")


def line_blocks(path: Path, *, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
    """Yield ``blocks`` of a file in which anything may be wrong.

    Args:
        path: the file.
        size: least number of bytes per block, but for the last one.

    Raises:
        InputError: the file cannot be read, its gzip data are damaged or cut off,
            or a line is longer than 64 MiB.
    """
    done = 0
    try:
        for line, block in blocks(path, size=size, longest=_MAX_LINE):
            done = line - 1 + block.count(b"\n")
            if len(block) >= size + _MAX_LINE:
                fault = "it is longer than 64 MiB; lines of text are needed"
                raise InputError(str(Problem(path, fault, place=f"line {done + 1}")))
            yield line, block
    except DAMAGED as error:
        fault = f"the gzip data are damaged or cut off ({error})"
        mend = "delete the file and fetch it again"
        raise InputError(
            str(Problem(path, fault, mend, place=f"after line {done}"))
        ) from error
    except OSError as error:
        fault = f"it cannot be read: {error.strerror or error}"
        raise InputError(str(Problem(path, fault))) from error
