"""Which rows of several tables are equal, without a sorted copy of the tables."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

BLOCK = 4096
"""Rows that are hashed or compared at a time."""


def equal_rows(tables: Sequence[Tensor]) -> Int[Tensor, " rows"]:
    """Return a label per row: the same for rows that are equal in every table.

    Rows are grouped by a 64-bit hash and every row is then compared with the first
    of its group. If two unequal rows ever share a hash, other multipliers are drawn.
    Memory is O(rows).

    Args:
        tables: float32 [rows, width] or bool [rows], all of as many rows.
    """
    seed = 0
    while True:
        label: Tensor = torch.unique(_hashes(tables, seed), return_inverse=True)[1]
        if _confirmed(tables, label):
            return label
        seed += 1


def _hashes(tables: Sequence[Tensor], seed: int) -> Int[Tensor, " rows"]:
    """Return a random linear form of the bits of each row, modulo 2^64."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(tables[0]), dtype=torch.int64, device=tables[0].device)
    for table in tables:
        flat = table.view(len(table), -1)
        factors = torch.randint(
            -(2**62), 2**62, (flat.shape[1],), generator=generator
        ).to(table.device)
        for rows in torch.arange(len(flat)).split(BLOCK):
            part = flat[rows[0] : rows[-1] + 1]
            # -0.0 equals 0.0 but for its bits
            bits = (part + 0.0).view(torch.int32) if part.is_floating_point() else part
            total[rows] += (bits.long() * factors).sum(1)
    return total


def _confirmed(tables: Sequence[Tensor], label: Tensor) -> bool:
    """Return whether all rows of one label are equal."""
    node = torch.arange(len(label), device=label.device)
    first = torch.full_like(label, len(label)).scatter_reduce_(0, label, node, "amin")
    others = (first[label] != node).nonzero().flatten()
    return all(
        torch.equal(table[rows], table[first[label[rows]]])
        for rows in others.split(BLOCK)
        for table in tables
    )
