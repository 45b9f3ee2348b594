"""Which kernels take the time of a recorded training step? To see where to look next.

``python -m benchmarks.gpu_profile`` lists them for graphs of Food-Kitchen's size, and
with ``--timeline`` a step kernel by kernel. The profiler makes each a little longer;
the time of a step is measured without it.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import data
from benchmarks.gpu import wait
from benchmarks.gpu_steps import MODELS, SIZES, generated_stage, step_of
from micrec_pyg.cli.process import prepare
from micrec_pyg.training.step import Step

TURNS, STEPS, PROFILED = 7, 100, 10
WIDTH = 88
"""Of the name of a kernel; C++ names go on for ever."""


class Kernel(NamedTuple):
    """One launch within a step, in microseconds."""

    begin: float
    took: float
    name: str


def main(argv: Sequence[str]) -> int:
    """Print the kernels of a step of a model; return 0, or 1 without CUDA."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_profile")
    parser.add_argument("--model", choices=MODELS, default="micrec")
    parser.add_argument("--timeline", action="store_true", help="a line per kernel")
    given = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("no CUDA device: nothing is measured")
        return 1
    prepare()
    sizes = SIZES["Food-Kitchen's size"]
    train = generated_stage(sizes, shared_users=data.SHARED_USERS, device="cuda")
    step = step_of(given.model, train, "cuda", recorded=True)
    print(f"{given.model}: {1e3 * seconds(step):.3f} ms, median of {TURNS}")
    found = kernels(step)
    for line in summary(found):
        print(line)
    if given.timeline:
        for kernel in found:
            print(f"{kernel.begin:9.1f} {kernel.took:7.1f} us  {kernel.name[:WIDTH]}")
    return 0


def seconds(step: Step) -> float:
    """Return the median seconds of a step."""
    found = []
    for _ in range(TURNS):
        wait("cuda")
        begin = time.perf_counter()
        for _ in range(STEPS):
            step()
        wait("cuda")
        found.append((time.perf_counter() - begin) / STEPS)
    return statistics.median(found)


def kernels(step: Step) -> list[Kernel]:
    """Return the kernels of the last of some steps, in order."""
    for _ in range(PROFILED):
        step()
    wait("cuda")
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(PROFILED):
            step()
        wait("cuda")
    launches = sorted(
        Kernel(event.time_range.start, event.time_range.elapsed_us(), event.name)
        for event in found.events()
        if event.device_type.name == "CUDA"
    )
    last = launches[-(len(launches) // PROFILED) :]
    return [kernel._replace(begin=kernel.begin - last[0].begin) for kernel in last]


def summary(found: Sequence[Kernel]) -> list[str]:
    """Return a line for all kernels, and one per name, the longest first."""
    took: dict[str, list[float]] = {}
    for kernel in found:
        took.setdefault(kernel.name, []).append(kernel.took)
    busy = sum(kernel.took for kernel in found)
    lines = [f"{len(found)} kernels, busy {busy:.0f} us"]
    for name, each in sorted(took.items(), key=lambda of: -sum(of[1])):
        lines.append(f"{sum(each):8.1f} us {len(each):5d} x  {name[:WIDTH]}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
