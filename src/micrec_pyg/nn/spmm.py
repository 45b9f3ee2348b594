"""The sparse product under every layer, and dropout of its non-zeros."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LEVELS = 2**16
"""Dropout draws 16-bit integers: p is rounded to a multiple of 1 / LEVELS."""


def spmm(
    matrix: Float[Tensor, "rows columns"],
    x: Float[Tensor, "columns dim"],
    transposed: Float[Tensor, "columns rows"],
    values: tuple[Tensor, Tensor] | None = None,
) -> Float[Tensor, "rows dim"]:
    """Return ``matrix @ x``; the gradient of x is ``transposed @ gradient``.

    The product is linear in x, so nothing is stored for the backward pass. The
    values of the matrix get no gradient.

    Args:
        matrix: CSR.
        x: Dense.
        transposed: The transpose of ``matrix`` as CSR of its own.
        values: Replace the non-zeros of ``matrix`` and of ``transposed``.
    """
    forward, backward = values or (matrix.values(), transposed.values())
    product: Tensor = _SpMM.apply(  # type: ignore[no-untyped-call]
        x, matrix, forward, transposed, backward
    )
    return product


def dropout(
    values: Float[Tensor, " nonzeros"],
    perm: Tensor | None,
    p: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return (dropped values, the same in transposed order).

    Every non-zero is kept with probability 1 - p and divided by it, on its own.

    Args:
        values: Non-zeros of a CSR matrix.
        perm: For each non-zero of the transpose, its place in ``values``; None if
            the transpose is not needed.
        p: Probability of a zero, in [0, 1).
        generator: Draws the mask.
    """
    words = torch.empty(-(-len(values) // 4), dtype=torch.int64, device=values.device)
    words.random_(-(2**63), None, generator=generator)  # four draws in one word
    draw = words.view(torch.int16)[: len(values)]
    kept = draw >= round(p * LEVELS) - LEVELS // 2
    dropped = torch.where(kept, values / (1 - p), 0.0)
    return dropped, dropped if perm is None else dropped[perm]


class _SpMM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matrix: Tensor,
        values: Tensor,
        transposed: Tensor,
        transposed_values: Tensor,
    ) -> Tensor:
        ctx.transposed, ctx.values = transposed, transposed_values
        return _product(matrix, values, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return _product(ctx.transposed, ctx.values, grads[0]), None, None, None, None


def _product(matrix: Tensor, values: Tensor, x: Tensor) -> Tensor:
    """Return the product by the fastest kernel of the device."""
    crow, col = matrix.crow_indices(), matrix.col_indices()
    if x.is_cuda:
        csr = torch.sparse_csr_tensor(
            crow, col, values, matrix.shape, check_invariants=False
        )
        return csr @ x
    # A weighted embedding bag is a fused gather-multiply-sum over CSR rows.
    return functional.embedding_bag(
        col,
        x.contiguous(),
        crow,
        mode="sum",
        per_sample_weights=values.to(x.dtype),
        include_last_offset=True,
    )
