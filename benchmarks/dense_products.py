"""Dense products on a CPU by library, order and threads, as docs/speed.md has them.

``python -m benchmarks.dense_products`` prints two tables: the product of a block of
users with all items, and that of the vectors of a few who ask with those of all nodes.
Results go into memory that was there before; each number is the median of 25 runs.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from micrec_pyg.blas import cpu_name

ITEMS, DIM = 27_637, 64
USERS = (64, 128, 256)
NODES, WIDTH = 48_000, 384
ASKED = (1, 2, 4, 8, 16, 32)
RUNS = 25


def main() -> None:
    """Print the tables."""
    threads = torch.get_num_threads()
    print(f"{cpu_name()}, torch {torch.__version__}, numpy {np.__version__}\n")
    names = [
        f"{name}, {n} threads" for n in (1, threads) for name in ("torch", "numpy")
    ]
    head(f"GFLOP/s, users x {DIM} x {ITEMS:,}", names)
    item = torch.randn(DIM, ITEMS)
    for users in USERS:
        block, out = torch.randn(users, DIM), torch.empty(users, ITEMS)
        flop = 2e-9 * users * DIM * ITEMS
        rates = [
            flop / in_threads(n, product, block, item, out)
            for n in (1, threads)
            for product in (by_torch, by_numpy)
        ]
        line(users, rates)
    orders = {"few first": by_torch, "many first": many_first, "numpy": by_numpy}
    head(f"ms, {threads} threads, asked x {WIDTH} x {NODES:,}", [*orders])
    many = torch.randn(NODES, WIDTH)
    for asked in ASKED:
        few, out = torch.randn(asked, WIDTH), torch.empty(asked, NODES)
        line(
            asked,
            [
                1e3 * in_threads(threads, way, few, many.T, out)
                for way in orders.values()
            ],
        )


def by_torch(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Put the product into memory that is there."""
    torch.mm(a, b, out=out)


def by_numpy(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Do the same by numpy's library."""
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())


def many_first(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Do the same from the product of the transposed, of two columns at least."""
    columns = a.repeat(2, 1) if len(a) == 1 else a
    out.copy_(torch.mm(b.T, columns.T)[:, : len(a)].T)


def in_threads(
    threads: int, product: Callable[[Tensor, Tensor, Tensor], None], *given: Tensor
) -> float:
    """Return the median seconds of a product in so many threads."""
    before, seconds = torch.get_num_threads(), []
    torch.set_num_threads(threads)
    with threadpool_limits(limits=threads, user_api="blas"):
        product(*given)
        for _ in range(RUNS):
            begin = time.perf_counter()
            product(*given)
            seconds.append(time.perf_counter() - begin)
    torch.set_num_threads(before)
    return statistics.median(seconds)


def head(first: str, names: list[str]) -> None:
    """Print the first two lines of a table."""
    print(f"\n| {first} | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")


def line(name: int, values: list[float]) -> None:
    """Print a line of a table."""
    print(f"| {name} | {' | '.join(f'{value:.3g}' for value in values)} |")


if __name__ == "__main__":
    main()
