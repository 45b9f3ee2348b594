"""Which device a run uses, and how products are computed there."""

from micrec_pyg.schema import InputError


def check_device(asked: str, *, fall_back: bool = False) -> str:
    """Return a device that this machine has; ``auto`` prefers CUDA.

    Args:
        asked: auto, cpu, cuda or cuda:<number>.
        fall_back: Whether the CPU stands in for a CUDA device that is missing.

    Raises:
        InputError: There is no such device.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f"device={asked}: give auto, cpu, cuda or cuda:<number>"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device={asked}: give auto, cpu, cuda or cuda:<number>")
    missing = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if missing and fall_back:
        return "cpu"
    if missing:
        raise InputError(
            f"device={asked}: this machine has {torch.cuda.device_count()} CUDA "
            "devices; give device=cpu or device=auto"
        )
    return asked


def check_compute(precision: str, spmm: str, blas: str) -> None:
    """Refuse what ``set_compute`` could not set; change nothing.

    Raises:
        InputError: There is no such precision, kernel or library.
    """
    from micrec_pyg.blas import check_library
    from micrec_pyg.nn.kernels import PRECISIONS, check_kernel

    check_library(blas)
    if precision not in ("tf32", *PRECISIONS):
        raise InputError(
            f"precision={precision}: give one of {', '.join(PRECISIONS)}, tf32"
        )
    check_kernel(spmm)


def set_compute(precision: str, spmm: str, blas: str) -> None:
    """Set how this process computes products, dense and sparse.

    Args:
        precision: float32, bf16 or tf32.
        spmm: Name of the sparse kernel, or auto.
        blas: Library of large dense products on a CPU, or auto.

    Raises:
        InputError: There is no such precision, kernel or library.
    """
    import torch

    from micrec_pyg import blas as dense
    from micrec_pyg.nn.kernels import configure

    check_compute(precision, spmm, blas)
    dense.configure(blas)
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    configure(kernel=spmm, precision="float32" if precision == "tf32" else precision)
