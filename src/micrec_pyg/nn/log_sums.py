"""Sums of exponentials over the largest tables of a training step.

Exponentials take the place of the logits, and the gradient that of the exponentials:
every copy of such a table costs as much as the product that it comes from.
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from micrec_pyg.nn.kernels import takes_triton

LARGEST_SPAN = 80.0
"""exp(-80) is far from the least float32; exp(-90) is not one."""
FAINT = -60.0
"""exp(-60) adds nothing to 1. It counts as 0: with numbers near the least float32, as
gradients of such terms are, exponentials and products take many times as long."""


def log_sum(logits: Float[Tensor, "rows columns"]) -> Float[Tensor, " rows"]:
    """Return the log of the summed exponentials of every row; logits are lost."""
    total: Tensor = _LogSum.apply(logits)  # type: ignore[no-untyped-call]
    return total


def log_sum_of_others(
    logits: Float[Tensor, "rows columns"], taken: Bool[Tensor, "rows columns"]
) -> Float[Tensor, " rows"]:
    """Return the same over the columns of a row that are not ``taken``."""
    total: Tensor = _LogSumOfOthers.apply(logits, taken)  # type: ignore[no-untyped-call]
    return total


def log_sums(
    logits: Float[Tensor, "rows columns"], bound: float
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " columns"]]:
    """Return the log of the summed exponentials of rows and of columns.

    Args:
        logits: At most ``bound`` in size.
        bound: Above 0.
    """
    if 2 * bound > LARGEST_SPAN:
        return logits.logsumexp(1), logits.logsumexp(0)
    rows, columns = _PowerSums.apply(logits, bound)  # type: ignore[no-untyped-call]
    return rows.log() + bound, columns.log() + bound


class _PowerSums(torch.autograd.Function):
    """The sums of rows and of columns of exp(logits - bound), which is in (0, 1].

    One exponential for both; it takes the place of the logits, see ``_LogSum``.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, bound: float) -> tuple[Tensor, Tensor]:
        if takes_triton(logits):
            from micrec_pyg.nn.triton_contrast import powers_and_sums

            ctx.save_for_backward(logits)
            return powers_and_sums(logits, bound)
        powers = logits.sub_(bound).exp_()
        ctx.save_for_backward(powers)
        return powers.sum(1), powers.sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, rows: Tensor, columns: Tensor) -> tuple[Tensor, None]:
        (powers,) = ctx.saved_tensors
        if takes_triton(powers):
            from micrec_pyg.nn.triton_contrast import weigh

            return weigh(powers, rows.contiguous(), columns.contiguous()), None
        return powers.mul_(rows[:, None] + columns), None


class _LogSum(torch.autograd.Function):
    """The log of the summed exponentials of every row.

    The logits are overwritten by the exponentials, which the gradient reads: torch's
    own form copies this largest table of a step twice, and computes them twice.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        largest = logits.amax(1, keepdim=True)
        powers = logits.sub_(largest).clamp_(min=FAINT).exp_()
        functional.threshold(powers, 1.1 * math.exp(FAINT), 0.0, inplace=True)
        total = powers.sum(1, keepdim=True)
        ctx.save_for_backward(powers, total)
        log_sum: Tensor = (total.log() + largest).squeeze(1)
        return log_sum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        powers, total = ctx.saved_tensors
        found: Tensor = powers.mul_(grad[:, None] / total)
        return found


class _LogSumOfOthers(torch.autograd.Function):
    """The log of the summed exponentials of a row's logits that are not taken.

    The logits are overwritten, and once more by the gradient: they are the largest
    table of a training step, and every copy of it costs as much as their product.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, taken: Tensor) -> Tensor:
        total = logits.masked_fill_(taken, -torch.inf).logsumexp(1)
        ctx.save_for_backward(logits, total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logits, total = ctx.saved_tensors
        # -inf less -inf, where everything is taken, would be NaN
        total = total.clamp(min=torch.finfo(total.dtype).min)
        return logits.sub_(total[:, None]).exp_().mul_(grad[:, None]), None
