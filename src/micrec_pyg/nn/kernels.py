"""How a sparse product is computed: kernels by name, and the choice of one.

Kernels are chosen by measurement (docs/performance.md): on a CPU a weighted
embedding bag, which is a fused gather-multiply-sum over CSR rows; on CUDA those of
``triton_spmm`` where a step is recorded or the matrix is large, and else the CSR
product of cuSPARSE, which takes less time of the host. ``configure`` sets another one
for a comparison, or makes the kernels read bfloat16.
"""

import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from micrec_pyg.schema import InputError

AUTO, TRITON = "auto", "triton"

LARGE = 2**22
"""Non-zeros from which on the time of the host does not count."""


def kernel_for(nonzeros: int, *, on_cuda: bool) -> str:
    """Return the name of the kernel of a product, by its size and device."""
    if _kernel != AUTO:
        return _kernel
    if not on_cuda:
        return "embedding_bag"
    worth = _recorded or nonzeros >= LARGE
    return TRITON if worth and triton_works() else "csr"


def takes_triton(x: Tensor) -> bool:
    """Return whether one kernel of Triton takes the place of several of torch."""
    if kernel_for(LARGE, on_cuda=x.is_cuda) != TRITON:
        return False
    check_triton_runs(x)
    return True


def run(name: str, crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    """Return the product in the type of x, computed from what the precision reads."""
    return KERNELS[name](crow, col, as_read(values, x), as_read(x, x)).to(x.dtype)


def as_read(values: Tensor, x: Tensor) -> Tensor:
    """Return values in the type that the kernels read of a table x."""
    # A kernel that sees requires_grad prepares a backward pass of its own.
    return values.detach().to(_dtype or x.dtype)


def is_forced() -> bool:
    """Return whether a kernel is asked for by name."""
    return _kernel != AUTO


@functools.cache
def has_triton() -> bool:
    """Return whether triton is installed; torch for CUDA brings it on Linux."""
    return importlib.util.find_spec("triton") is not None


@functools.cache
def triton_works() -> bool:
    """Return whether triton is installed and can compile for the CUDA device."""
    if not has_triton():
        return False
    from micrec_pyg.nn import triton_spmm

    return triton_spmm.works("cuda")


@contextmanager
def recorded() -> Iterator[None]:
    """Choose kernels for a step that is launched as a whole, for a while."""
    global _recorded
    before, _recorded = _recorded, True
    try:
        yield
    finally:
        _recorded = before


def check_kernel(kernel: str) -> None:
    """Refuse a kernel that is unknown, or whose package is not installed."""
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
    if kernel == TRITON and not has_triton():
        raise InputError(
            "spmm=triton: triton is not installed; torch for CUDA brings it on Linux; "
            "give spmm=auto"
        )


def configure(*, kernel: str = AUTO, precision: str = "float32") -> None:
    """Set how every product of this process is computed.

    Like the backend settings of torch, this is of the process: results change by
    rounding alone. What is summed, and the sums between layers, stay float32.

    Args:
        kernel: One of ``KERNELS``, or ``auto``: the fastest of the device.
        precision: What the kernels read: one of ``PRECISIONS``.

    Raises:
        InputError: An unknown name, or the package of a kernel is not installed.
    """
    global _kernel, _dtype
    check_kernel(kernel)
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision}: give one of {', '.join(PRECISIONS)}")
    _kernel, _dtype = kernel, PRECISIONS[precision]


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


def _triton(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
    check_triton_runs(x)
    from micrec_pyg.nn import triton_spmm

    return triton_spmm.product(crow, col, values, x)


def check_triton_runs(x: Tensor) -> None:
    """Refuse a device for which triton makes no kernels.

    Raises:
        InputError: x is not on CUDA, and triton does not interpret its kernels.
    """
    if not x.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        raise InputError(
            f"spmm=triton: its kernels run on CUDA, not on {x.device.type}; give "
            "spmm=auto"
        )


Kernel = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

KERNELS: dict[str, Kernel] = {
    "embedding_bag": _embedding_bag,
    "csr": _csr,
    "coo": _coo,
    "gather_scatter": _gather_scatter,
    "torch_sparse": _torch_sparse,
    TRITON: _triton,
}
"""Functions of (row starts, columns, values, x) by name."""

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bf16": torch.bfloat16}
"""What a kernel reads; None is the type of x."""

_kernel, _dtype = AUTO, PRECISIONS["float32"]
_recorded = False
