"""Dropout of the non-zeros of a sparse matrix."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.nn.constants import per_edge, rows_of
from micrec_pyg.nn.kernels import takes_triton

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


def dropped_weights(
    matrix: Float[Tensor, "rows columns"],
    transposed: Float[Tensor, "columns rows"],
    perm: Int[Tensor, " nonzeros"],
    scale: Float[Tensor, " rows"],
    p: float,
    generator: torch.Generator,
) -> tuple[tuple[Tensor, Tensor], Float[Tensor, " rows"]]:
    """Return weights of a matrix by row, of which dropout leaves some, and of the rows.

    Those of the matrix are a pair: in its order, and in that of its transpose.

    Args:
        matrix: CSR.
        transposed: Its transpose.
        perm: For each non-zero of the transpose, its place in the matrix.
        scale: Of all non-zeros of a row, and of the row, before dropout.
        p: Probability of a zero, in [0, 1).
        generator: Draws the masks.
    """
    if takes_triton(scale):
        from micrec_pyg.nn.triton_dropout import dropped

        indices = rows_of(matrix), transposed.col_indices(), perm
        sizes = [len(perm), len(scale)]
        of_edges, of_rows = _draw(sum(sizes), generator).split(sizes)
        return dropped(scale, indices, (of_edges, of_rows), _least(p), 1 - p)
    pair = dropout(per_edge(matrix, scale), perm, p, generator)
    return pair, dropout(scale, None, p, generator)[0]


def draw_kept(
    size: int, p: float, generator: torch.Generator
) -> Bool[Tensor, " _size"]:
    """Return True with probability 1 - p, for each place on its own.

    Args:
        size: Number of places.
        p: Probability of False, in [0, 1).
        generator: Draws, where it lives.
    """
    return _draw(size, generator) >= _least(p)


def _draw(size: int, generator: torch.Generator) -> Int[Tensor, " _size"]:
    """Return as many random numbers of 16 bits."""
    words = torch.empty(-(-size // 4), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)  # four draws in one word
    return words.view(torch.int16)[:size]


def _least(p: float) -> int:
    """Return the least of these numbers that keeps its place."""
    return round(p * LEVELS) - LEVELS // 2
