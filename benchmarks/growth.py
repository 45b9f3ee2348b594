"""How the time of an epoch and the memory of a run grow with the data.

Whole runs of LightGCN (d = 64, three layers) on generated data with Kitchen's ratio
of users, items and interactions. The batch grows with the data, 2,048 triplets per
0.1 M interactions, so every size takes the same number of steps per epoch. (With a
fixed batch the number of steps would grow as well as their cost: then an epoch of
any training that propagates over the whole graph costs the square.)

A step reads rows of the tables in random order. The tables of 0.1 M interactions
take 6 MB, those of 1 M 60 MB and those of 10 M 600 MB: they outgrow one cache after
the other, so the time of an interaction grows with the distance to its row. The floor
shows that: the bytes that the products and Adam move in an epoch, at the speed at
which this machine copies a table of users of that size.
"""

import tempfile
from pathlib import Path

from benchmarks.data import KITCHEN, Size, write
from benchmarks.floor import bytes_of_step, copy_speed
from benchmarks.harness import Options, Row, Worker, ratio_of, row

SIZES = (100_000, 1_000_000, 10_000_000)
QUICK_SIZES = (1_000, 10_000)
BATCH_PER_INTERACTION = 2048 / 100_000
TRAIN_SHARE = 0.7
DIM, NUM_LAYERS = 64, 3
FLOOR = "floor: the bytes moved, at the speed of a copy"


def measure(options: Options) -> list[Row]:
    """Return the rows of every size: time, its floor, and memory."""
    sizes = QUICK_SIZES if options.quick else SIZES
    found = {size: run(size, options.turns(5 if size < 10**7 else 2)) for size in sizes}
    first = min(sizes)
    rows = []
    for size, (seconds, memory) in found.items():
        linear = [size / first * value for value in found[first][0]]
        more = {"interactions": size}
        time = f"time per epoch, {size:,} interactions"
        rows += [
            grown(time, "s", seconds, linear, first, **more),
            row(
                time,
                "s",
                seconds,
                [floor(size)],
                FLOOR,
                **more,
            ),
            grown(
                f"peak memory of the run, {size:,} interactions",
                "MB",
                [memory],
                [size / first * found[first][1]],
                first,
                **more,
            ),
        ]
    return rows


def grown(
    name: str,
    unit: str,
    ours: list[float],
    linear: list[float],
    first: int,
    *,
    interactions: int,
) -> Row:
    """Return a row whose peer is linear growth from the first size."""
    same = interactions == first
    return row(
        name,
        unit,
        ours,
        None if same else linear,
        "" if same else f"linear growth from {first:,}",
        target=None if same else ratio_of(1),
        interactions=interactions,
    )


def shape(size: int) -> Size:
    """Return Kitchen's shape with so many interactions."""
    scale = size / KITCHEN.interactions
    return Size(round(scale * KITCHEN.users), round(scale * KITCHEN.items), size)


def floor(size: int) -> float:
    """Return the least seconds of an epoch: of its bytes at the speed of a copy."""
    made = shape(size)
    edges = round(TRAIN_SHARE * size)
    moved = bytes_of_step(made.users + made.items, edges, DIM, NUM_LAYERS)
    return -(-edges // batch_size(size)) * moved / copy_speed(4 * DIM * made.users)


def batch_size(size: int) -> int:
    """Return the triplets of a step."""
    return max(1, round(size * BATCH_PER_INTERACTION))


def run(size: int, turns: int) -> tuple[list[float], float]:
    """Return (seconds of each epoch, peak memory in MB) of one run.

    Args:
        size: Interactions, 70 % of which are trained on.
        turns: Epochs after the first.
    """
    with tempfile.TemporaryDirectory() as place:
        overrides = [
            *write(Path(place) / "data", {"grown": shape(size)}, text=False),
            "model=lightgcn",
            f"fit.batch_size={batch_size(size)}",
            f"output_dir={place}/outputs",
        ]
        with Worker("train.py", {"overrides": overrides}) as worker:
            reports = [worker.turn() for _ in range(turns)]
    return [r["seconds"] for r in reports], reports[-1]["peak_mb"]
