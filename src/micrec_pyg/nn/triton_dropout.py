"""One CUDA kernel, in Triton, for all weights of a layer that drops some of them."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

WEIGHTS = 512
"""Of a program."""


def dropped(
    scale: Float[Tensor, " rows"],
    indices: tuple[Tensor, Tensor, Tensor],
    drawn: tuple[Int[Tensor, " nonzeros"], Int[Tensor, " rows"]],
    least: int,
    kept_share: float,
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return (weights of the non-zeros, those of the transpose), and of the rows.

    Args:
        scale: Weight of all non-zeros of a row, and of the row.
        indices: Row of every non-zero, column of every one of the transpose, and
            its place among the non-zeros.
        drawn: A random number for each non-zero, and for each row, in int16.
        least: Those below it drop the weight.
        kept_share: Divides the others.
    """
    edges, rows = (len(numbers) for numbers in drawn)
    values, back = scale.new_empty(edges), scale.new_empty(edges)
    own = torch.empty_like(scale)
    if most := max(edges, rows):
        drop_weights[triton.cdiv(most, WEIGHTS),](
            scale, *indices, *drawn, values, back, own, edges, rows, least, kept_share,
            B=WEIGHTS, num_warps=4,
        )  # fmt: skip
    return (values, back), own


@triton.jit
@no_type_check
def drop_weights(
    scale_p,
    row_p,
    col_p,
    place_p,
    drawn_p,
    drawn_own_p,
    values_p,
    back_p,
    own_p,
    edges,
    rows,
    least,
    kept_share,
    B: tl.constexpr,
):
    """Weigh B non-zeros, as many of the transpose, and as many rows."""
    at = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)
    live = at < edges
    row = tl.load(row_p + at, mask=live, other=0)
    drawn = tl.load(drawn_p + at, mask=live, other=0).to(tl.int32)
    scale = tl.load(scale_p + row, mask=live, other=0.0)
    tl.store(
        values_p + at, tl.where(drawn >= least, scale / kept_share, 0.0), mask=live
    )
    col = tl.load(col_p + at, mask=live, other=0)
    place = tl.load(place_p + at, mask=live, other=0)
    drawn = tl.load(drawn_p + place, mask=live, other=0).to(tl.int32)
    scale = tl.load(scale_p + col, mask=live, other=0.0)
    tl.store(back_p + at, tl.where(drawn >= least, scale / kept_share, 0.0), mask=live)
    live = at < rows
    drawn = tl.load(drawn_own_p + at, mask=live, other=0).to(tl.int32)
    scale = tl.load(scale_p + at, mask=live, other=0.0)
    tl.store(own_p + at, tl.where(drawn >= least, scale / kept_share, 0.0), mask=live)
