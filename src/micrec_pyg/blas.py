"""Dense products on a CPU, by the faster of two libraries, into a buffer of the caller.

torch and numpy each bring a BLAS, and which of them is faster depends on the CPU:
several times, in either direction. So the first large product of a machine measures
both on the two shapes that this project knows, ranking and neighbour search, and keeps
the answer in the user's cache.

The choice is one of products in a single thread, of which several run at once
(``threads``). A product in several threads is torch's: numpy has threads of its own,
and where those of torch still wait for work on the same cores, a product that is faster
alone is several times slower in turns.
"""

import functools
import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text

logger = logging.getLogger(__name__)

AUTO, TORCH, NUMPY = "auto", "torch", "numpy"
LIBRARIES = (AUTO, TORCH, NUMPY)

LARGE = 2**24
"""Multiplications of a product that is worth a choice; smaller ones are torch's."""
NARROW = 128
"""Most columns of the factors of ranking; those of the neighbour search have more."""
SHAPES = {"ranking": (128, 64, 27_637), "neighbours": (1024, 384, 4096)}
"""What is measured: rows, inner width and columns of a product."""
ROUNDS, TURNS = 4, 4
"""Rounds of each library and shape; the fastest counts. Products in each round."""
CLEAR = 1.1
"""How much faster numpy must be to be taken: less may be chance."""


def multiply(
    a: Float[Tensor, "rows inner"],
    b: Float[Tensor, "inner columns"],
    out: Float[Tensor, "rows columns"],
) -> Float[Tensor, "rows columns"]:
    """Return ``out``, which holds a @ b afterwards; without a gradient."""
    large = out.numel() * a.shape[1] >= LARGE
    alone = a.device.type == "cpu" and torch.get_num_threads() == 1
    if large and alone and a.dtype == torch.float32:
        return _by(library_of(a.shape[1]))(a, b, out)
    return torch.mm(a, b, out=out)


def configure(library: str) -> None:
    """Set the library of large products of this process.

    Args:
        library: ``torch`` or ``numpy``, for a comparison; ``auto`` measures.

    Raises:
        InputError: There is no such library.
    """
    global _chosen
    check_library(library)
    _chosen = library


def check_library(library: str) -> None:
    """Refuse the name of a library that there is not."""
    if library not in LIBRARIES:
        raise InputError(f"blas={library}: give one of {', '.join(LIBRARIES)}")


def library_of(inner: int) -> str:
    """Return the library of large products in one thread of factors this wide."""
    if _chosen != AUTO:
        return _chosen
    return _fastest()["ranking" if inner <= NARROW else "neighbours"]


def settle() -> None:
    """Prepare for products in several threads at once, each of one thread.

    What is to be measured is measured now. numpy's threads are limited here, since a
    limit that one of the new threads sets has no effect.
    """
    with one_thread():
        if _chosen == AUTO:
            _fastest()
        _limit_numpy(1)


def release() -> None:
    """Give numpy as many threads as torch has, after ``settle``."""
    _limit_numpy(torch.get_num_threads())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work in one thread inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cpu_name() -> str:
    """Return what the system calls its CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


@functools.cache
def _fastest() -> dict[str, str]:
    """Return the faster library by kind of product, from the cache or measured."""
    key = {
        "cpu": cpu_name(),
        "threads": 1,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    path = cache_file()
    kept = [each for each in _kept(path) if isinstance(each, dict)]
    for each in kept:
        if {name: each.get(name) for name in key} == key and _is_whole(each):
            return dict(each["fastest"])
    rates = {kind: _rates(*shape) for kind, shape in SHAPES.items()}
    fastest = {
        kind: NUMPY if rate[NUMPY] > CLEAR * rate[TORCH] else TORCH
        for kind, rate in rates.items()
    }
    for kind, rate in rates.items():
        logger.info(
            "products of %s: %s (a thread of torch %.0f GFLOP/s, of numpy %.0f; %s)",
            kind,
            fastest[kind],
            rate[TORCH],
            rate[NUMPY],
            key["cpu"],
        )
    _keep(path, [*kept, {**key, "fastest": fastest, "gflop_per_s": rates}])
    return fastest


def cache_file() -> Path:
    """Return where the measurements of this user are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "micrec_pyg" / "blas.json"


def _kept(path: Path) -> list[Any]:
    """Return what was measured before; nothing from a file that is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _is_whole(entry: dict[str, Any]) -> bool:
    fastest = entry.get("fastest")
    if not isinstance(fastest, dict) or fastest.keys() != SHAPES.keys():
        return False
    return all(name in (TORCH, NUMPY) for name in fastest.values())


def _keep(path: Path, entries: list[Any]) -> None:
    """Write the measurements; where that is not allowed, the next process measures."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(entries, indent=1) + "\n")
    except (OSError, InputError) as error:
        logger.debug("measured products are not kept: %s", error)


def _rates(rows: int, inner: int, columns: int) -> dict[str, float]:
    """Return the rate of each library in GFLOP/s."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(rows, inner, generator=generator)
    b = torch.randn(inner, columns, generator=generator)
    out = torch.empty(rows, columns)
    best = {TORCH: math.inf, NUMPY: math.inf}
    for name in [*best] * ROUNDS:
        begin = time.perf_counter()
        for _ in range(TURNS):
            _by(name)(a, b, out)
        best[name] = min(best[name], time.perf_counter() - begin)
    flop = 2e-9 * TURNS * rows * inner * columns
    return {name: flop / seconds for name, seconds in best.items()}


def _by(library: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return _by_numpy if library == NUMPY else _by_torch


def _by_torch(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    return torch.mm(a, b, out=out)


def _by_numpy(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    _limit_numpy(torch.get_num_threads())
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


def _limit_numpy(threads: int) -> None:
    """Give numpy as many threads as torch has."""
    global _limited
    if _limited != threads:
        threadpool_limits(limits=threads, user_api="blas")
        _limited = threads


_chosen, _limited = AUTO, 0
