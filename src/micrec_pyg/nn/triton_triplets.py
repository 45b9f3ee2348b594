"""One CUDA kernel, in Triton, that turns random numbers into triplets."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

DRAWN = 32
"""Triplets of a program: few, so that a small batch uses the whole device."""


def triplets(
    place: Int[Tensor, " size"],
    share: Float[Tensor, "_draws size"],
    users: Int[Tensor, " _users"],
    spans: tuple[Tensor, Tensor],
    item: Int[Tensor, " positives"],
    gaps: Int[Tensor, " positives"],
    num_items: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return users [size], positives [size] and negatives [size, _draws - 1].

    Args:
        place: Which of ``users`` each sample is of.
        share: Of the user's positives, then of the negatives; float64.
        users: Those who may be drawn.
        spans: Where each user's positives start, and how many they are.
        item: Positives, by user and item.
        gaps: Before each positive, the user's negatives, plus user times num_items.
        num_items: Rows of items.
    """
    size, negatives = len(place), len(share) - 1
    user, pos = torch.empty_like(place), torch.empty_like(place)
    neg = place.new_empty(size, negatives)
    draw_triplets[triton.cdiv(size, DRAWN),](
        place, share, users, *spans, item, gaps, user, pos, neg,
        size, num_items, negatives, len(item).bit_length(),
        B=DRAWN, num_warps=1,
    )  # fmt: skip
    return user, pos, neg


@triton.jit
@no_type_check
def draw_triplets(
    place_p,
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
    num_items,
    negatives,
    steps,
    B: tl.constexpr,
):
    """Draw B triplets; ``steps`` halvings leave one of the positives of any user."""
    at = tl.program_id(0).to(tl.int64) * B + tl.arange(0, B)
    live = at < size
    place = tl.load(place_p + at, mask=live, other=0)
    user = tl.load(users_p + place, mask=live, other=0)
    start = tl.load(start_p + user, mask=live, other=0)
    count = tl.load(count_p + user, mask=live, other=0)
    share = tl.load(share_p + at, mask=live, other=0.0)
    nth = (share * count.to(tl.float64)).to(tl.int64)
    pos = tl.load(item_p + start + nth, mask=live, other=0)
    tl.store(user_p + at, user, mask=live)
    tl.store(pos_p + at, pos, mask=live)
    others = (num_items - count).to(tl.float64)
    drawn = at
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
