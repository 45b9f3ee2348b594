"""How the time of an epoch and the memory of a run grow with the data.

Whole runs of LightGCN (d = 64, three layers) on generated data with Kitchen's ratio
of users, items and interactions. The batch grows with the data, 2,048 triplets per
0.1 M interactions, so every size takes the same number of steps per epoch. (With a
fixed batch the number of steps would grow as well as their cost: then an epoch of
any training that propagates over the whole graph costs the square.)

A step reads rows of the tables in random order. The tables of 0.1 M interactions
take 6 MB, those of 1 M 60 MB and those of 10 M 600 MB: they outgrow one cache after
the other, so the time of an interaction grows with the distance to its row.
"""

import tempfile
from pathlib import Path

from benchmarks.data import KITCHEN, Size, write
from benchmarks.harness import Options, Row, Worker, ratio_of, row

SIZES = (100_000, 1_000_000, 10_000_000)
QUICK_SIZES = (1_000, 10_000)
BATCH_PER_INTERACTION = 2048 / 100_000


def measure(options: Options) -> list[Row]:
    """Return two rows per size; the peer is linear growth from the smallest."""
    seconds: dict[int, list[float]] = {}
    memory: dict[int, float] = {}
    for size in QUICK_SIZES if options.quick else SIZES:
        turns = options.turns(5 if size < 10**7 else 2)
        seconds[size], memory[size] = run(size, turns)
    first = min(seconds)
    rows = []
    for size, found in seconds.items():
        linear = [size / first * value for value in seconds[first]]
        more = {"interactions": size}
        for what, unit, ours, peer in (
            ("time per epoch", "s", found, linear),
            (
                "peak memory of the run",
                "MB",
                [memory[size]],
                [size / first * memory[first]],
            ),
        ):
            name = f"{what}, {size:,} interactions"
            same = size == first
            rows.append(
                row(
                    name,
                    unit,
                    ours,
                    None if same else peer,
                    "" if same else f"linear growth from {first:,}",
                    target=None if same else ratio_of(1),
                    **more,
                )
            )
    return rows


def run(size: int, turns: int) -> tuple[list[float], float]:
    """Return (seconds of each epoch, peak memory in MB) of one run.

    Args:
        size: Interactions, 70 % of which are trained on.
        turns: Epochs after the first.
    """
    scale = size / KITCHEN.interactions
    shape = Size(round(scale * KITCHEN.users), round(scale * KITCHEN.items), size)
    with tempfile.TemporaryDirectory() as place:
        overrides = [
            *write(Path(place) / "data", {"grown": shape}, text=False),
            "model=lightgcn",
            f"fit.batch_size={max(1, round(size * BATCH_PER_INTERACTION))}",
            f"output_dir={place}/outputs",
        ]
        with Worker("train.py", {"overrides": overrides}) as worker:
            reports = [worker.turn() for _ in range(turns)]
    return [r["seconds"] for r in reports], reports[-1]["peak_mb"]
