"""One CUDA kernel, in Triton, that turns random numbers into triplets."""

from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

DRAWN = 32
"""Triplets of a program: few, so that a small batch uses the whole device."""


def triplets(
    share: Float[Tensor, "_draws size"],
    users: Int[Tensor, " _users"],
    spans: tuple[Tensor, Tensor],
    item: Int[Tensor, " positives"],
    gaps: Int[Tensor, " positives"],
    num_items: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return users [size], positives [size] and negatives [size, _draws - 2].

    Args:
        share: In [0, 1), float64: where among ``users``, then among the user's
            positives, then among the negatives, each sample is.
        users: Those who may be drawn.
        spans: Where each user's positives start, and how many they are.
        item: Positives, by user and item.
        gaps: Before each positive, the user's negatives, plus user times num_items.
        num_items: Rows of items.
    """
    size, negatives = share.shape[1], len(share) - 2
    user, pos = item.new_empty(size), item.new_empty(size)
    neg = item.new_empty(size, negatives)
    draw_triplets[triton.cdiv(size, DRAWN),](
        share, users, *spans, item, gaps, user, pos, neg,
        size, len(users), num_items, negatives, len(item).bit_length(),
        B=DRAWN, num_warps=1,
    )  # fmt: skip
    return user, pos, neg


@triton.jit
@no_type_check
def draw_triplets(
    share_p,
    users_p,
    start_p,
    count_p,
    item_p,
    gaps_p,
    user_p,
    pos_p,
    neg_p,
    size,
    num_users,
    num_items,
    negatives,
    steps,
    B: tl.constexpr,
):
    """Draw B triplets; ``steps`` halvings leave one of the positives of any user."""
    at = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)
    live = at < size
    share = tl.load(share_p + at, mask=live, other=0.0)
    place = (share * num_users).to(tl.int64)
    user = tl.load(users_p + place, mask=live, other=0)
    start = tl.load(start_p + user, mask=live, other=0)
    count = tl.load(count_p + user, mask=live, other=0)
    drawn = at + size
    share = tl.load(share_p + drawn, mask=live, other=0.0)
    nth = (share * count.to(tl.float64)).to(tl.int64)
    pos = tl.load(item_p + start + nth, mask=live, other=0)
    tl.store(user_p + at, user, mask=live)
    tl.store(pos_p + at, pos, mask=live)
    others = (num_items - count).to(tl.float64)
    for k in range(0, negatives):
        drawn += size
        share = tl.load(share_p + drawn, mask=live, other=0.0)
        r = (share * others).to(tl.int64)
        key = user * num_items + r
        low = start
        high = start + count
        for _ in range(0, steps):
            middle = (low + high) // 2
            there = low < high
            gap = tl.load(gaps_p + middle, mask=there, other=0)
            low = tl.where(there & (gap <= key), middle + 1, low)
            high = tl.where(there & (gap > key), middle, high)
        tl.store(neg_p + at * negatives + k, r + low - start, mask=live)
