"""CUDA kernels of the contrastive loss, in Triton: two passes over its square table."""

from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

ROWS, COLUMNS = 32, 128
"""Of the part of the table that a program holds."""


def powers_and_sums(
    logits: Float[Tensor, "rows columns"], bound: float
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " columns"]]:
    """Replace logits by exp(logits - bound); return the sums of rows and columns."""
    tiles = _tiles(logits)
    of_rows = logits.new_empty(tiles[1], logits.shape[0])
    of_columns = logits.new_empty(tiles[0], logits.shape[1])
    if logits.numel():
        raise_and_sum[tiles](
            logits, of_rows, of_columns, *logits.shape, bound,
            R=ROWS, C=COLUMNS, num_warps=4,
        )  # fmt: skip
    return of_rows.sum(0), of_columns.sum(0)


def weigh(
    powers: Float[Tensor, "rows columns"],
    rows: Float[Tensor, " rows"],
    columns: Float[Tensor, " columns"],
) -> Float[Tensor, "rows columns"]:
    """Multiply every number by the sum of its row's and its column's; return them."""
    if powers.numel():
        weigh_by_sums[_tiles(powers)](
            powers, rows, columns, *powers.shape, R=ROWS, C=COLUMNS, num_warps=4
        )
    return powers


def _tiles(table: Tensor) -> tuple[int, int]:
    rows, columns = table.shape
    return triton.cdiv(rows, ROWS), triton.cdiv(columns, COLUMNS)


@triton.jit
@no_type_check
def raise_and_sum(
    x_p, of_rows_p, of_columns_p, rows, columns, bound, R: tl.constexpr, C: tl.constexpr
):
    """Raise a tile to powers, and sum its rows and its columns."""
    i = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    j = tl.program_id(1).to(tl.int64) * C + tl.arange(0, C)
    inside = (i < rows)[:, None] & (j < columns)[None, :]
    at = x_p + i[:, None] * columns + j[None, :]
    power = tl.where(inside, tl.exp(tl.load(at, mask=inside, other=0.0) - bound), 0.0)
    tl.store(at, power, mask=inside)
    tl.store(
        of_rows_p + tl.program_id(1).to(tl.int64) * rows + i,
        tl.sum(power, axis=1),
        mask=i < rows,
    )
    tl.store(
        of_columns_p + tl.program_id(0).to(tl.int64) * columns + j,
        tl.sum(power, axis=0),
        mask=j < columns,
    )


@triton.jit
@no_type_check
def weigh_by_sums(
    x_p, of_row_p, of_column_p, rows, columns, R: tl.constexpr, C: tl.constexpr
):
    """Multiply a tile."""
    i = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    j = tl.program_id(1).to(tl.int64) * C + tl.arange(0, C)
    inside = (i < rows)[:, None] & (j < columns)[None, :]
    at = x_p + i[:, None] * columns + j[None, :]
    weight = (
        tl.load(of_row_p + i, mask=i < rows, other=0.0)[:, None]
        + tl.load(of_column_p + j, mask=j < columns, other=0.0)[None, :]
    )
    tl.store(at, tl.load(at, mask=inside, other=0.0) * weight, mask=inside)
