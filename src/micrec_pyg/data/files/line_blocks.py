"""Text files of any length as blocks of whole lines, plain or gzip alike."""

from collections.abc import Iterator
from pathlib import Path

from micrec_pyg.data.files.compressed import DAMAGED, open_bytes
from micrec_pyg.data.files.problems import Problem
from micrec_pyg.schema import InputError

BLOCK = 2**24
"""Bytes of text read at once."""
_MAX_LINE = 2**26
_BOM = b"\xef\xbb\xbf"


def line_blocks(path: Path, *, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines in blocks, each with the number of its first line.

    Whether a file is compressed is seen from its content, not from its name. A
    byte-order mark is left out.

    Args:
        path: the file.
        size: least number of bytes per block, but for the last one.

    Raises:
        InputError: the file cannot be read, its gzip data are damaged or cut off,
            or a line is longer than 64 MiB.
    """
    line = 1
    try:
        with open_bytes(path) as file:
            while block := file.read(size):
                block += file.readline(_MAX_LINE)
                if len(block) >= size + _MAX_LINE:
                    fault = "it is longer than 64 MiB; lines of text are needed"
                    long = line + block.count(b"\n")
                    raise InputError(str(Problem(path, fault, place=f"line {long}")))
                yield line, block.removeprefix(_BOM) if line == 1 else block
                line += block.count(b"\n")
    except DAMAGED as error:
        fault = f"the gzip data are damaged or cut off ({error})"
        mend = "delete the file and fetch it again"
        raise InputError(
            str(Problem(path, fault, mend, place=f"after line {line - 1}"))
        ) from error
    except OSError as error:
        fault = f"it cannot be read: {error.strerror or error}"
        raise InputError(str(Problem(path, fault))) from error
