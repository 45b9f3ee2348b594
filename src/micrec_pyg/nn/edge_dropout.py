"""Dropout of the non-zeros of a sparse matrix."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LEVELS = 2**16
"""Dropout draws 16-bit integers: p is rounded to a multiple of 1 / LEVELS."""


def dropout(
    values: Float[Tensor, " nonzeros"],
    perm: Tensor | None,
    p: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return (dropped values, the same in transposed order).

    Every non-zero is kept with probability 1 - p and divided by it, on its own.

    Args:
        values: Non-zeros of a CSR matrix.
        perm: For each non-zero of the transpose, its place in ``values``; None if
            the transpose is not needed.
        p: Probability of a zero, in [0, 1).
        generator: Draws the mask.
    """
    kept = draw_kept(len(values), p, generator)
    dropped = torch.where(kept, values / (1 - p), 0.0)
    return dropped, dropped if perm is None else dropped.index_select(0, perm)


def draw_kept(
    size: int, p: float, generator: torch.Generator
) -> Bool[Tensor, " _size"]:
    """Return True with probability 1 - p, for each place on its own.

    Args:
        size: Number of places.
        p: Probability of False, in [0, 1).
        generator: Draws, where it lives.
    """
    words = torch.empty(-(-size // 4), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)  # four draws in one word
    return words.view(torch.int16)[:size] >= round(p * LEVELS) - LEVELS // 2
