"""One CUDA kernel, in Triton, that draws distinct places and sorts nothing."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Int
from torch import Tensor

ROUNDS = 8
PLACES = 64
"""Of a program."""


def places(
    keys: Int[Tensor, " _rounds"], size: int, count: int
) -> Int[Tensor, " _count"]:
    r"""Return ``count`` distinct places below ``size``, by a keyed permutation.

    A Feistel network permutes the numbers of 2h bits, :math:`4^h \ge n`,

    .. math::
        (l, r) \mapsto (r, l \oplus f_k(r)),

    in a round per key; it is repeated on a result that is not below n, which leaves
    a permutation of the places. Place a of the result is where it takes a.

    Args:
        keys: ``ROUNDS`` random numbers of 64 bits.
        size: n, above 0.
        count: At most n.
    """
    found = torch.empty(count, dtype=torch.int64, device=keys.device)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    if count:
        permuted_places[triton.cdiv(count, PLACES),](
            keys, found, count, size, half,
            ROUNDS=len(keys), B=PLACES, num_warps=2,
        )  # fmt: skip
    return found


@triton.jit
@no_type_check
def permuted_places(
    keys_p, found_p, count, size, half, ROUNDS: tl.constexpr, B: tl.constexpr
):
    """Permute B places. Products stay below 2^63: 32 bits times less than 31."""
    at = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)
    live = at < count
    word = (tl.full((), 1, tl.int64) << 32) - 1
    mask = (tl.full((), 1, tl.int64) << half) - 1
    x = tl.where(live, at, 0)
    outside = live
    while tl.max(outside.to(tl.int32), axis=0) > 0:
        left = x >> half
        right = x & mask
        for k in range(ROUNDS):
            key = tl.load(keys_p + k)
            mixed = ((right ^ key) & word) * 1540483477 & word
            mixed = ((mixed ^ (mixed >> 15)) + (key >> 32) & word) * 739982445 & word
            mixed = (mixed ^ (mixed >> 13)) * 1103515245 & word
            moved = left ^ ((mixed ^ (mixed >> 16)) & mask)
            left = right
            right = moved
        x = tl.where(outside, (left << half) | right, x)
        outside = outside & (x >= size)
    tl.store(found_p + at, x, mask=live)
