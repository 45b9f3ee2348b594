"""Would a compiled product that prefetches rows be faster? A trial, not a claim.

``python -m benchmarks.prefetch`` compiles ``prefetch.c`` with the C compiler of this
machine and times one product in each direction against the kernel in use, with one
thread, all in turns. Beside them stands the floor: the bytes of the product at the
speed of a copy.
"""

import argparse
import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.floor import WORD, copy_speed
from benchmarks.growth import TRAIN_SHARE, shape
from benchmarks.propagation import DIM, random_graph
from micrec_pyg.blas import cpu_name
from micrec_pyg.cli.process import prepare
from micrec_pyg.nn.kernels import KERNELS

SIZES = (100_000, 1_000_000, 10_000_000)
AHEAD = 16
"""Non-zeros between asking for a row and reading it."""
SOURCE = Path(__file__).with_name("prefetch.c")

Product = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def main(argv: Sequence[str]) -> int:
    """Print the milliseconds of every kernel; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefetch")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--ahead", type=int, default=AHEAD)
    given = parser.parse_args(argv)
    prepare()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        kernels = compiled(Path(place), given.ahead)
        print(f"{cpu_name()}, one thread, d = {DIM}, medians of {given.runs}, in ms")
        print("| interactions | product | floor | " + " | ".join(kernels) + " |")
        for size in given.sizes:
            for name, floor, found in measure(size, kernels, given.runs):
                values = [floor, *(found[each] for each in kernels)]
                cells = " | ".join(f"{1e3 * value:.3g}" for value in values)
                print(f"| {size:,} | {name} | {cells} |", flush=True)
    return 0


def measure(
    size: int, kernels: dict[str, Product], runs: int
) -> list[tuple[str, float, dict[str, float]]]:
    """Return (direction, floor, seconds by kernel) of generated interactions."""
    made, generator = shape(size), torch.Generator().manual_seed(0)
    edges = round(TRAIN_SHARE * size)
    found = []
    matrices = random_graph((made.users, made.items), edges, generator)
    for name, matrix in zip(("to users", "to items"), matrices, strict=True):
        # nodes are numbered at random, as those of a run are
        order = torch.randperm(matrix.shape[1], generator=generator).int()
        crow, col = matrix.crow_indices().int(), matrix.col_indices().long()
        x = torch.randn(matrix.shape[1], DIM, generator=generator)
        given = (crow, order[col], matrix.values(), x)
        expected = kernels["in use"](*given)
        times: dict[str, list[float]] = {each: [] for each in kernels}
        for kernel in kernels.values():
            torch.testing.assert_close(kernel(*given), expected, atol=1e-4, rtol=1e-4)
        for _ in range(runs):
            for each, kernel in kernels.items():
                begin = time.perf_counter()
                kernel(*given)
                times[each].append(time.perf_counter() - begin)
        row = WORD * DIM
        moved = len(col) * (2 * WORD + row) + matrix.shape[0] * row
        floor = moved / copy_speed(x.nbytes)
        medians = {each: statistics.median(all_) for each, all_ in times.items()}
        found.append((name, floor, medians))
    return found


def compiled(place: Path, ahead: int = AHEAD) -> dict[str, Product]:
    """Return the kernel in use and the compiled ones, by name.

    Args:
        place: Folder of the library.
        ahead: Non-zeros between asking for a row and reading it.
    """
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        sys.exit("no C compiler: install one, or name it in CC")
    library = place / "prefetch.so"
    flags = ["-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(SOURCE), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).product

    def asking(by: int, far: bool) -> Product:
        def product(crow: Tensor, col: Tensor, values: Tensor, x: Tensor) -> Tensor:
            out = torch.empty(len(crow) - 1, DIM)
            tensors = (crow, col, values, x, out)
            function(
                ctypes.c_int64(len(out)),
                *(ctypes.c_void_p(each.data_ptr()) for each in tensors),
                ctypes.c_int64(by),
                ctypes.c_int(far),
            )
            return out

        return product

    return {
        "in use": KERNELS["embedding_bag"],
        "no prefetch": asking(0, far=False),
        "to the first cache": asking(ahead, far=False),
        "to the second": asking(ahead, far=True),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
