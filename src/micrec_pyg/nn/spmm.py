"""The sparse product under every layer, and dropout of its non-zeros.

Kernels are chosen by measurement (docs/performance.md): on a CPU a weighted
embedding bag, which is a fused gather-multiply-sum over CSR rows; on CUDA the CSR
product of cuSPARSE. ``configure`` sets another one for a comparison, or makes the
kernels read bfloat16.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from micrec_pyg.schema import InputError

LEVELS = 2**16
"""Dropout draws 16-bit integers: p is rounded to a multiple of 1 / LEVELS."""

AUTO = "auto"


def spmm(
    matrix: Float[Tensor, "rows columns"],
    x: Float[Tensor, "columns dim"],
    transposed: Float[Tensor, "columns rows"],
    values: tuple[Tensor, Tensor] | None = None,
    residual: bool = False,
) -> Float[Tensor, "rows dim"]:
    """Return ``matrix @ x``; the gradient of x is ``transposed @ gradient``.

    The product is linear in x, so nothing is stored for the backward pass. The
    values of the matrix get no gradient.

    Args:
        matrix: CSR.
        x: Dense.
        transposed: The transpose of ``matrix`` as CSR of its own.
        values: Replace the non-zeros of ``matrix`` and of ``transposed``.
        residual: Return ``x + matrix @ x``, the sum without a table of its own.
    """
    forward, backward = values or (matrix.values(), transposed.values())
    if not torch.is_grad_enabled():
        return _sum(matrix, forward, x, residual)
    result: Tensor = _SpMM.apply(  # type: ignore[no-untyped-call]
        x, matrix, forward, transposed, backward, residual
    )
    return result


def product(
    matrix: Float[Tensor, "rows columns"],
    values: Float[Tensor, " nonzeros"],
    x: Float[Tensor, "columns dim"],
) -> Float[Tensor, "rows dim"]:
    """Return ``matrix @ x`` without a gradient, by the kernel of the device.

    Args:
        matrix: CSR.
        values: Take the place of its non-zeros.
        x: Dense.
    """
    name = _kernel if _kernel != AUTO else ("csr" if x.is_cuda else "embedding_bag")
    return _run(KERNELS[name], matrix.crow_indices(), matrix.col_indices(), values, x)


def product_rows(
    matrix: Float[Tensor, "rows columns"],
    rows: Int[Tensor, " asked"],
    x: Float[Tensor, "columns dim"],
) -> Float[Tensor, "asked dim"]:
    """Return ``(matrix @ x)[rows]`` without a gradient, from those rows alone.

    Or from all of them, where the rows that are asked for, repeats included, have
    more non-zeros than the matrix: large batches repeat popular items. On CUDA the
    whole product is cheaper than to wait for the size of the part, and a kernel that
    is asked for by name computes everything.
    """

    def whole() -> Tensor:
        return product(matrix, matrix.values(), x).index_select(0, rows)

    if x.is_cuda or _kernel != AUTO:
        return whole()
    crow = matrix.crow_indices()
    first = crow.index_select(0, rows)
    count = crow.index_select(0, rows + 1) - first
    size = int(count.sum())
    if size > matrix.values().numel():
        return whole()
    end = count.cumsum(0, dtype=crow.dtype)
    place = torch.arange(size, dtype=crow.dtype)
    place += (first - (end - count)).repeat_interleave(count, output_size=size)
    return _run(
        _embedding_bag,
        torch.cat([end.new_zeros(1), end]),
        matrix.col_indices().index_select(0, place),
        matrix.values().index_select(0, place),
        x,
    )


def product_from_rows(
    matrix: Float[Tensor, "rows columns"],
    given: Int[Tensor, " given"],
    x: Float[Tensor, "given dim"],
) -> Float[Tensor, "rows dim"]:
    """Return ``matrix @ table`` without a gradient; the table is x at some rows.

    It is zero elsewhere. So a small table with one row of zeros for all others stands
    in for it, which stays in the cache. A kernel that is asked for by name, and CUDA,
    get the whole table.

    Args:
        matrix: CSR.
        given: Rows of the table; what a row that repeats is given adds up.
        x: What stands there.
    """
    if x.is_cuda or _kernel != AUTO:
        table = x.new_zeros(matrix.shape[1], x.shape[1]).index_add_(0, given, x)
        return product(matrix, matrix.values(), table)
    place = torch.zeros(matrix.shape[1], dtype=matrix.col_indices().dtype)
    place[given] = torch.arange(1, len(given) + 1, dtype=place.dtype)
    table = x.new_zeros(len(given) + 1, x.shape[1])
    # int64, by which torch adds rows several times faster than by int32
    table.index_add_(0, place.index_select(0, given).long(), x)
    return _run(
        _embedding_bag,
        matrix.crow_indices(),
        place.index_select(0, matrix.col_indices()),
        matrix.values(),
        table,
    )


def check_kernel(kernel: str) -> None:
    """Refuse a kernel that is unknown, or not installed as torch-sparse may be."""
    if kernel not in (AUTO, *KERNELS):
        raise InputError(
            f"spmm={kernel}: give {AUTO}, which takes the fastest of the device, or "
            f"one of {', '.join(KERNELS)}"
        )
    if kernel == "torch_sparse":
        try:
            import torch_sparse  # noqa: F401
        except ImportError:
            raise InputError(
                "spmm=torch_sparse: torch-sparse is not installed; `make ext` "
                "builds it, or give spmm=auto"
            ) from None


def configure(*, kernel: str = AUTO, precision: str = "float32") -> None:
    """Set how every product of this process is computed.

    Like the backend settings of torch, this is of the process: results change by
    rounding alone. What is summed, and the sums between layers, stay float32.

    Args:
        kernel: One of ``KERNELS``, or ``auto``: the fastest of the device.
        precision: What the kernels read: one of ``PRECISIONS``.

    Raises:
        InputError: An unknown name, or torch-sparse is not installed.
    """
    global _kernel, _dtype
    check_kernel(kernel)
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision}: give one of {', '.join(PRECISIONS)}")
    _kernel, _dtype = kernel, PRECISIONS[precision]


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
    kept = draw_kept(len(values), p, generator)
    dropped = torch.where(kept, values / (1 - p), 0.0)
    return dropped, dropped if perm is None else dropped.index_select(0, perm)


def draw_kept(
    size: int, p: float, generator: torch.Generator
) -> Bool[Tensor, " _size"]:
    """Return True with probability 1 - p, for each place on its own.

    Args:
        size: Number of places.
        p: Probability of False, in [0, 1).
        generator: Draws, where it lives.
    """
    words = torch.empty(-(-size // 4), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)  # four draws in one word
    return words.view(torch.int16)[:size] >= round(p * LEVELS) - LEVELS // 2


class _SpMM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matrix: Tensor,
        values: Tensor,
        transposed: Tensor,
        transposed_values: Tensor,
        residual: bool,
    ) -> Tensor:
        ctx.transposed, ctx.values = transposed, transposed_values
        ctx.residual = residual
        return _sum(matrix, values, x, residual)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        result = _sum(ctx.transposed, ctx.values, grads[0], ctx.residual)
        return result, None, None, None, None, None


def _sum(matrix: Tensor, values: Tensor, x: Tensor, residual: bool) -> Tensor:
    result = product(matrix, values, x)
    return result.add_(x) if residual else result


def _run(
    kernel: "Kernel", crow: Tensor, col: Tensor, values: Tensor, x: Tensor
) -> Tensor:
    """Return the product in the type of x, computed from what the precision reads."""
    dtype = _dtype or x.dtype
    # A kernel that sees requires_grad prepares a backward pass of its own.
    return kernel(crow, col, values.to(dtype), x.detach().to(dtype)).to(x.dtype)


def _embedding_bag(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    return functional.embedding_bag(
        col,
        x.contiguous(),
        crow,
        mode="sum",
        per_sample_weights=values,
        include_last_offset=True,
    )


def _csr(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    shape = (len(crow) - 1, len(x))
    return torch.sparse_csr_tensor(crow, col, values, shape, check_invariants=False) @ x


def _coo(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    places = torch.stack([_row(crow, col), col])
    matrix = torch.sparse_coo_tensor(
        places,
        values,
        (len(crow) - 1, len(x)),
        is_coalesced=True,
        check_invariants=False,
    )
    product: Tensor = torch.sparse.mm(matrix, x)
    return product


def _gather_scatter(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    messages = values.view(-1, 1) * x.index_select(0, col)
    total = x.new_zeros(len(crow) - 1, x.shape[1])
    total.index_add_(0, _row(crow, col), messages)
    return total


def _torch_sparse(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    total: Tensor = torch.ops.torch_sparse.spmm_sum(
        None, crow.long(), col.long(), values, None, None, x.contiguous()
    )
    return total


def _row(crow: Tensor, col: Tensor) -> Tensor:
    """Return the row of every non-zero."""
    rows = torch.arange(len(crow) - 1, dtype=col.dtype, device=col.device)
    return rows.repeat_interleave(crow.diff(), output_size=len(col))


Kernel = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

KERNELS: dict[str, Kernel] = {
    "embedding_bag": _embedding_bag,
    "csr": _csr,
    "coo": _coo,
    "gather_scatter": _gather_scatter,
    "torch_sparse": _torch_sparse,
}
"""Functions of (row starts, columns, values, x) by name."""

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bf16": torch.bfloat16}
"""What a kernel reads; None is the type of x."""

_kernel, _dtype = AUTO, PRECISIONS["float32"]
