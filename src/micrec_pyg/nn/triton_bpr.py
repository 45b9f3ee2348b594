"""The pairwise ranking loss on CUDA, in Triton: a kernel forward, and one backward."""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

NUMBERS = 512
"""Of each table, of a program: some rows, or one row that is longer."""


def bpr(
    user: Float[Tensor, "batch dim"],
    pos: Float[Tensor, "batch dim"],
    neg: Float[Tensor, "batch dim"],
) -> Float[Tensor, ""]:
    """Return the loss of ``losses.bpr_loss``, whose arguments these are."""
    loss: Tensor = _BPR.apply(  # type: ignore[no-untyped-call]
        *(each.contiguous() for each in (user, pos, neg))
    )
    return loss


class _BPR(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, user: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        loss, slope = user.new_empty(len(user)), user.new_empty(len(user))
        programs, sizes = _launch(user)
        bpr_terms[programs,](user, pos, neg, loss, slope, *user.shape, **sizes)
        ctx.save_for_backward(user, pos, neg, slope)
        return loss.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        user, pos, neg, slope = ctx.saved_tensors
        found = tuple(torch.empty_like(each) for each in (user, pos, neg))
        programs, sizes = _launch(user)
        bpr_gradients[programs,](
            user, pos, neg, slope, grads[0].contiguous(), *found, *user.shape, **sizes
        )
        return found


def _launch(user: Tensor) -> tuple[int, dict[str, int]]:
    """Return the number of programs, and what is known when they are compiled."""
    width = triton.next_power_of_2(user.shape[1])
    rows = max(1, NUMBERS // width)
    return triton.cdiv(len(user), rows), {"D": width, "R": rows, "num_warps": 4}


@triton.jit
@no_type_check
def bpr_terms(
    user_p,
    pos_p,
    neg_p,
    loss_p,
    slope_p,
    count,
    d,
    D: tl.constexpr,
    R: tl.constexpr,
):
    """Store softplus of the difference of R pairs of scores, and its derivative."""
    r = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    lane = tl.arange(0, D)
    live = r < count
    there = live[:, None] & (lane < d)[None, :]
    at = r[:, None] * d + lane[None, :]
    user = tl.load(user_p + at, mask=there, other=0.0)
    pos = tl.load(pos_p + at, mask=there, other=0.0)
    neg = tl.load(neg_p + at, mask=there, other=0.0)
    x = tl.sum(user * (neg - pos), axis=1)
    small = tl.exp(-tl.abs(x))  # never overflows
    tl.store(loss_p + r, tl.maximum(x, 0.0) + tl.log(1.0 + small), mask=live)
    slope = tl.where(x >= 0.0, 1.0, small) / (1.0 + small)
    tl.store(slope_p + r, slope, mask=live)


@triton.jit
@no_type_check
def bpr_gradients(
    user_p,
    pos_p,
    neg_p,
    slope_p,
    grad_p,
    of_user_p,
    of_pos_p,
    of_neg_p,
    count,
    d,
    D: tl.constexpr,
    R: tl.constexpr,
):
    """Store the gradients of the mean of the terms, times a gradient of it."""
    r = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    lane = tl.arange(0, D)
    live = r < count
    there = live[:, None] & (lane < d)[None, :]
    at = r[:, None] * d + lane[None, :]
    user = tl.load(user_p + at, mask=there, other=0.0)
    pos = tl.load(pos_p + at, mask=there, other=0.0)
    neg = tl.load(neg_p + at, mask=there, other=0.0)
    share = tl.load(grad_p) / count
    slope = (tl.load(slope_p + r, mask=live, other=0.0) * share)[:, None]
    tl.store(of_user_p + at, slope * (neg - pos), mask=there)
    tl.store(of_pos_p + at, -slope * user, mask=there)
    tl.store(of_neg_p + at, slope * user, mask=there)
