"""The sparse product under every layer, with its gradient."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from micrec_pyg.nn.kernels import (
    LARGE,
    TRITON,
    as_read,
    check_triton_runs,
    is_forced,
    kernel_for,
    run,
    takes_triton,
)
from micrec_pyg.nn.row_parts import RowParts

Outer = tuple[Float[Tensor, " rows"], Float[Tensor, " dim"]]


def spmm(
    matrix: Float[Tensor, "rows columns"],
    x: Float[Tensor, "columns dim"],
    transposed: Float[Tensor, "columns rows"],
    values: tuple[Tensor, Tensor] | None = None,
    residual: bool = False,
    outer: Outer | None = None,
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
        outer: A number per row, without a gradient, and a vector, with one: their
            outer product is added.
    """
    forward, backward = values or (matrix.values(), transposed.values())
    if not torch.is_grad_enabled():
        return product(matrix, forward, x, residual=residual, outer=outer)
    result: Tensor = _SpMM.apply(  # type: ignore[no-untyped-call]
        x, matrix, forward, transposed, backward, residual, *(outer or (None, None))
    )
    return result


def product(
    matrix: Float[Tensor, "rows columns"],
    values: Float[Tensor, " nonzeros"],
    x: Float[Tensor, "columns dim"],
    *,
    residual: bool = False,
    plus: RowParts | None = None,
    outer: Outer | None = None,
) -> Float[Tensor, "rows dim"]:
    """Return ``matrix @ x`` without a gradient, by the kernel of the device.

    Args:
        matrix: CSR.
        values: Take the place of its non-zeros.
        x: Dense.
        residual: Add x.
        plus: Added to some rows.
        outer: A number per row, and a vector: their outer product is added.
    """
    kernel = _kernel_for(values)
    if kernel == TRITON and as_read(x, x).dtype == x.dtype:
        check_triton_runs(x)
        from micrec_pyg.nn import triton_spmm

        return triton_spmm.product(
            matrix.crow_indices(), matrix.col_indices(), as_read(values, x),
            as_read(x, x), residual=residual, plus=_found(plus, values), outer=outer,
        )  # fmt: skip
    result = run(kernel, matrix.crow_indices(), matrix.col_indices(), values, x)
    if residual:
        result.add_(x)
    if outer is not None:
        result = torch.addr(result, *outer)
    return result if plus is None else plus.added_to(result)


def _found(given: RowParts | None, values: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return where the kernels of Triton find rows: a place of each, and a table.

    For a small matrix without sorting: that takes more launches than it saves bytes.
    """
    if given is None:
        return None
    if values.numel() < LARGE and not is_forced():
        return given.index.own_place, given.spread
    from micrec_pyg.nn import triton_spmm

    return given.index.place, triton_spmm.row_sums(given)


def product_rows(
    matrix: Float[Tensor, "rows columns"],
    rows: Int[Tensor, " asked"],
    x: Float[Tensor, "columns dim"],
    plus: Float[Tensor, "asked dim"] | None = None,
    divisor: int = 1,
) -> Float[Tensor, "asked dim"]:
    """Return ``((matrix @ x)[rows] + plus) / divisor``, from those rows alone.

    Or from all of them, where the rows that are asked for, repeats included, have
    more non-zeros than the matrix: large batches repeat popular items. On CUDA the
    whole product is cheaper than to wait for the size of the part, but for the kernels
    of Triton, which need no size. Another kernel that is asked for by name computes
    everything. There is no gradient.
    """
    crow, kernel = matrix.crow_indices(), _kernel_for(matrix.values())
    if kernel == TRITON:
        check_triton_runs(x)
        from micrec_pyg.nn import triton_spmm

        values = as_read(matrix.values(), x)
        found = triton_spmm.product_rows(
            crow, matrix.col_indices(), values, rows, as_read(x, x), plus, divisor
        )
        return found.to(x.dtype)
    found = _product_rows(kernel, matrix, rows, x)
    if plus is not None:
        found.add_(plus)
    return found.div_(divisor)


def taken_rows(
    x: Float[Tensor, "rows dim"],
    rows: Int[Tensor, " asked"],
    plus: Float[Tensor, "asked dim"],
) -> Float[Tensor, "asked dim"]:
    """Return ``x[rows] + plus`` without a gradient."""
    if takes_triton(x):
        from micrec_pyg.nn import triton_rows

        return triton_rows.taken_rows(x, rows, plus)
    return x.index_select(0, rows).add_(plus)


def _product_rows(kernel: str, matrix: Tensor, rows: Tensor, x: Tensor) -> Tensor:
    """Return some rows of a product, by a kernel that is not one of Triton."""

    def whole() -> Tensor:
        return product(matrix, matrix.values(), x).index_select(0, rows)

    if x.is_cuda or is_forced():
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
    return run(
        kernel,
        torch.cat([end.new_zeros(1), end]),
        matrix.col_indices().index_select(0, place),
        matrix.values().index_select(0, place),
        x,
    )


def product_from_rows(
    matrix: Float[Tensor, "rows columns"],
    given: RowParts,
    plus: RowParts | None = None,
) -> Float[Tensor, "rows dim"]:
    """Return ``matrix @ table`` without a gradient; the table is ``given``.

    It is zero but at some rows. On a CPU a small table with one row of zeros for all
    others stands in for it, which stays in the cache; on CUDA a kernel reads those rows
    alone. Another kernel that is asked for by name gets the whole table.

    Args:
        matrix: CSR.
        given: Rows of the table.
        plus: Added to some rows.
    """
    kernel, values, x = _kernel_for(matrix.values()), matrix.values(), given.parts
    if kernel == TRITON and as_read(x, x).dtype == x.dtype:
        check_triton_runs(x)
        from micrec_pyg.nn import triton_spmm

        found = _found(given, values)
        assert found is not None
        return triton_spmm.product_from_rows(
            matrix.crow_indices(), matrix.col_indices(), as_read(values, x), found,
            _found(plus, values),
        )  # fmt: skip
    if x.is_cuda or is_forced():
        return product(matrix, values, given.table(), plus=plus)
    result = _from_small_table(kernel, matrix, given)
    return result if plus is None else plus.added_to(result)


def _from_small_table(kernel: str, matrix: Tensor, given: RowParts) -> Tensor:
    """Return the product of a table that is zero but at some rows, by a short one."""
    x = given.parts
    place = torch.zeros(matrix.shape[1], dtype=matrix.col_indices().dtype)
    place[given.index.rows] = torch.arange(
        1, len(given.index.rows) + 1, dtype=place.dtype
    )
    table = x.new_zeros(len(given.index.rows) + 1, x.shape[1])
    # int64, by which torch adds rows several times faster than by int32
    table.index_add_(0, place.index_select(0, given.index.rows).long(), x)
    return run(
        kernel,
        matrix.crow_indices(),
        place.index_select(0, matrix.col_indices()),
        matrix.values(),
        table,
    )


def _kernel_for(values: Tensor) -> str:
    return kernel_for(values.numel(), on_cuda=values.is_cuda)


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
        scale: Tensor | None,
        token: Tensor | None,
    ) -> Tensor:
        ctx.transposed, ctx.values = transposed, transposed_values
        ctx.residual, ctx.scale = residual, scale
        outer = None if scale is None or token is None else (scale, token)
        return product(matrix, values, x, residual=residual, outer=outer)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        result = product(ctx.transposed, ctx.values, grads[0], residual=ctx.residual)
        token = None if ctx.scale is None else grads[0].t().mv(ctx.scale)
        return result, None, None, None, None, None, None, token
