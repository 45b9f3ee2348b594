"""Lines per second and peak memory of reading a large file of interactions.

    python -m benchmarks.ingest --lines 20000000

writes a TSV file of so many lines (user, item, timestamp; Kitchen's ratio of users and
items; few items have most lines) and reads it as ``data=tables`` does, checks and
filters included, in a process of its own.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.data import KITCHEN
from benchmarks.harness import Worker

AT_ONCE = 2**20
FIRST_SECOND = 1_400_000_000


def write(path: Path, lines: int) -> None:
    """Write a file of interactions, a piece at a time."""
    drawn = np.random.default_rng(0)
    scale = lines / KITCHEN.interactions
    users, items = int(scale * KITCHEN.users) + 1, int(scale * KITCHEN.items) + 1
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(b"user\titem\ttimestamp\n")
        for first in range(0, lines, AT_ONCE):
            count = min(AT_ONCE, lines - first)
            table = pl.DataFrame(
                {
                    "user": drawn.integers(users, size=count),
                    "item": (items * drawn.random(count) ** 3).astype(np.int64),
                    "time": np.arange(first, first + count) + FIRST_SECOND,
                }
            ).select(
                user=pl.lit("u") + pl.col("user").cast(pl.String),
                item=pl.lit("i") + pl.col("item").cast(pl.String),
                time="time",
            )
            table.write_csv(file, separator="\t", include_header=False)


def main() -> None:
    """Print what reading takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "grown" / "interactions.tsv"
        write(path, lines)
        size = path.stat().st_size
        with Worker("ingest.py", {"path": place}) as worker:
            done = worker.ready
    added = (done["peak_mb"] - done["before_mb"]) * 2**20
    print(
        f"{lines:,} lines, {size / 2**20:,.0f} MB: {done['seconds']:.1f} s, "
        f"{lines / done['seconds']:,.0f} lines/s; peak memory "
        f"{done['peak_mb']:,.0f} MB, {added / lines:.0f} bytes a line above an idle "
        f"process; {done['kept']:,} are kept"
    )


if __name__ == "__main__":
    main()
