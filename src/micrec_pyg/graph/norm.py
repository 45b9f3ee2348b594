"""Compressed sparse rows: make them, transpose them, normalise them.

Pure tensor functions, fully vectorised; they know no node or edge type.
"""

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor

INT32_LIMIT = 2**31


def sparse_csr(
    row: Int[Tensor, " nonzeros"],
    col: Int[Tensor, " nonzeros"],
    value: Float[Tensor, " nonzeros"],
    shape: tuple[int, int],
) -> Float[Tensor, "rows columns"]:
    """Return a CSR matrix; its indices are int32 where they fit.

    int32 halves the memory traffic of a sparse product, and is what the fast
    kernels take.

    Args:
        row: Row of each non-zero; the non-zeros are sorted by (row, col).
        col: Column of each non-zero.
        value: Non-zeros, stored as float32.
        shape: Number of rows and of columns.
    """
    crow = row.new_zeros(shape[0] + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(row, minlength=shape[0]), 0, out=crow[1:])
    return _csr(crow, col, value.float(), shape)


def empty_csr(shape: tuple[int, int]) -> Float[Tensor, "rows columns"]:
    """Return a CSR matrix of this shape without any non-zero."""
    none = torch.zeros(0, dtype=torch.int64)
    return sparse_csr(none, none, none.float(), shape)


def transpose(
    matrix: Float[Tensor, "rows columns"],
) -> tuple[Float[Tensor, "columns rows"], Int[Tensor, " nonzeros"]]:
    """Return the transposed CSR matrix and where each of its values came from.

    ``transposed.values() == matrix.values()[perm]``, so that values which change
    in every step (dropout) can follow without another sort. ``perm`` is int64.
    """
    num_rows, num_cols = matrix.shape
    crow, col = matrix.crow_indices(), matrix.col_indices()
    row = torch.repeat_interleave(
        torch.arange(num_rows, dtype=col.dtype, device=col.device), crow.diff()
    )
    # Stable, and rows ascend already: the result is sorted by (column, row).
    perm = torch.argsort(col, stable=True)
    flipped = sparse_csr(
        col[perm], row[perm], matrix.values()[perm], (num_cols, num_rows)
    )
    return flipped, perm


def symmetric_weights(
    row: Int[Tensor, " edges"], col: Int[Tensor, " edges"], shape: tuple[int, int]
) -> Float[Tensor, " edges"]:
    """Return (d_row d_col)^-1/2 per edge, degrees clipped at 1.

    LightGCN eq. 3; method page, section 3.
    """
    row_degree = torch.bincount(row, minlength=shape[0]).clamp(min=1)
    col_degree = torch.bincount(col, minlength=shape[1]).clamp(min=1)
    # Degrees are multiplied as float64: above 2^24 float32 would round them.
    return (row_degree[row].double() * col_degree[col]).rsqrt().float()


def _csr(
    crow: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]
) -> Float[Tensor, "rows columns"]:
    fits = max(len(col), *shape) < INT32_LIMIT
    index_type = torch.int32 if fits else torch.int64
    # A column of an edge list has a stride, which CSR kernels do not take.
    crow, col, value = (
        part.clone(memory_format=torch.contiguous_format)
        for part in (crow.to(index_type), col.to(index_type), value)
    )
    with warnings.catch_warnings():
        # Raised once per process by the first CSR tensor; nothing to act upon.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in")
        # torch 2.11 alone: whoever makes a CSR tensor here gives valid indices
        warnings.filterwarnings("ignore", message="Sparse invariant checks are")
        return torch.sparse_csr_tensor(crow, col, value, shape, check_invariants=False)
