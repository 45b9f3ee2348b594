"""Large tables in a file of their own, which the system moves to disk as it needs."""

import os
import tempfile
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.storage.failures import explained

BLOCK = 2**14
"""Rows that are copied at a time."""
MAPPED_BYTES = 2 * 2**30
"""A table of this size or more lies in a file."""


def empty_table(
    rows: int, width: int, folder: str | Path | None
) -> Float[Tensor, "rows width"]:
    """Return a table to be filled; a large one is mapped from a file.

    The file has no name left and goes with the last tensor that reads it, however the
    process ends. Its pages are memory that the system can take back.

    Args:
        rows: Any number.
        width: Likewise.
        folder: Where a file goes; None keeps every table in memory.

    Raises:
        StorageError: The disk has no room for it.
    """
    size = 4 * rows * width
    if folder is None or size < MAPPED_BYTES:
        return torch.empty(rows, width)
    with explained(Path(folder)):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".table-") as file:
            # room that is missing later would end the process without a word
            os.posix_fallocate(file.fileno(), 0, size)
            table = torch.from_file(
                file.name, shared=True, size=rows * width, dtype=torch.float32
            )
    return table.view(rows, width)


def rows_of(
    table: Float[Tensor, "rows width"],
    rows: Int[Tensor, " some"],
    folder: str | Path | None,
) -> Float[Tensor, "some width"]:
    """Return some rows of a table; the table itself for all of them in their order.

    Args:
        table: May be mapped from a file.
        rows: Places in it.
        folder: As for ``empty_table``.
    """
    if len(rows) == len(table) and torch.equal(rows, torch.arange(len(table))):
        return table
    found = empty_table(len(rows), table.shape[1], folder)
    for first in range(0, len(rows), BLOCK):
        found[first : first + BLOCK] = table[rows[first : first + BLOCK]]
    return found
