"""One CUDA kernel, in Triton, that takes rows of a table and adds others to them."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

ROWS = 8
WIDTH = 128
"""Most columns of a program."""


def taken_rows(
    x: Float[Tensor, "_rows dim"],
    rows: Int[Tensor, " asked"],
    plus: Float[Tensor, "asked dim"],
) -> Float[Tensor, "asked dim"]:
    """Return some rows of a table, repeats included, plus as many others."""
    x, plus, found = x.contiguous(), plus.contiguous(), torch.empty_like(plus)
    if count := len(rows):
        d = x.shape[1]
        width = min(WIDTH, triton.next_power_of_2(d))
        take_and_add[triton.cdiv(count, ROWS), triton.cdiv(d, width)](
            rows, x, plus, found, count, d, D=width, R=ROWS, num_warps=2
        )
    return found


@triton.jit
@no_type_check
def take_and_add(rows_p, x_p, plus_p, to_p, count, d, D: tl.constexpr, R: tl.constexpr):
    """Take R rows of x and add as many of plus."""
    m = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    lane = tl.program_id(1) * D + tl.arange(0, D)
    live = m < count
    there = live[:, None] & (lane < d)[None, :]
    row = tl.load(rows_p + m, mask=live, other=0).to(tl.int64)
    taken = tl.load(x_p + row[:, None] * d + lane[None, :], mask=there, other=0.0)
    own = m[:, None] * d + lane[None, :]
    added = tl.load(plus_p + own, mask=there, other=0.0)
    tl.store(to_p + own, taken + added, mask=there)
