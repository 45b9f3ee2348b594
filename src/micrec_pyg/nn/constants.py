"""What follows from a sparse matrix alone: computed once, not in every step.

Graphs share their matrices, also the copies of one step. A constant lives as long as
its matrix, whose indices and non-zeros nobody changes in place.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

T = TypeVar("T")

_known = WeakTensorKeyDictionary()
"""By matrix, a dictionary of what is known of it."""


def constant(matrix: Tensor, name: Hashable, compute: Callable[[], T]) -> T:
    """Return what is computed of a matrix, from the first time on.

    Args:
        matrix: CSR.
        name: Of what is computed, with all else that it depends on.
        compute: Makes it.
    """
    known: dict[Hashable, T] = _known.setdefault(matrix, {})
    if name not in known:
        known[name] = compute()
    return known[name]


def per_edge(
    matrix: Float[Tensor, "rows columns"], per_row: Shaped[Tensor, " rows"]
) -> Shaped[Tensor, " _nonzeros"]:
    """Return a value per row as one per non-zero of it."""
    return per_row.index_select(0, rows_of(matrix))


def rows_of(matrix: Float[Tensor, "rows columns"]) -> Int[Tensor, " _nonzeros"]:
    """Return the row of every non-zero."""
    return constant(matrix, "rows", lambda: _rows(matrix))


def _rows(matrix: Tensor) -> Tensor:
    crow, size = matrix.crow_indices(), matrix.values().numel()
    rows = torch.arange(len(crow) - 1, dtype=crow.dtype, device=crow.device)
    return rows.repeat_interleave(crow.diff(), output_size=size)
