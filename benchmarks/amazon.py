"""Ten million reviews read in bounded memory: time and peak of a process of its own.

Generates a file in the layout of the 2018 release (one JSON object per line, gzip)
and one of metadata in a temporary folder, then reads them in a fresh process: first
the raw files into Parquet tables, then the catalogue from these.

    python -m benchmarks.amazon
    python -m benchmarks.amazon --lines 100000 --folder /tmp
"""

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CATEGORY = "Home_and_Kitchen"
USERS, ITEMS = 1_000_000, 200_000
CHUNK = 100_000
TEXT = 'Works as described, and my children \\"love\\" it. I would buy it again. ' * 5


def write_reviews(path: Path, lines: int) -> None:
    """Write reviews whose items are popular to very different degrees."""
    draw = random.Random(0).random
    with gzip.open(path, "wb", compresslevel=1) as file:
        for start in range(0, lines, CHUNK):
            rows = [
                f'{{"overall": {1 + int(5 * draw())}.0, "verified": true, "reviewTime":'
                f' "01 1, 2018", "reviewerID": "A{int(USERS * draw() ** 2):013d}", '
                f'"asin": "B{int(ITEMS * draw() ** 3):09d}", "style": {{"Size:": "12"}}'
                f', "reviewerName": "N", "reviewText": "{TEXT}", "summary": "Good", '
                f'"unixReviewTime": {1_400_000_000 + at}}}\n'
                for at in range(start, min(start + CHUNK, lines))
            ]
            file.write("".join(rows).encode())


def write_metadata(path: Path) -> None:
    """Write title, brand, categories, description, features and price of all items."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        for item in range(ITEMS):
            row = {
                "category": ["Home & Kitchen", "Kitchen & Dining", "Coffee"],
                "description": [TEXT],
                "title": f"Coffee pot number {item}",
                "brand": "Some brand",
                "feature": ["Steel", "Fits every stove"],
                "price": "$24.99",
                "asin": f"B{item:09d}",
                "imageURLHighRes": [f"https://example.org/{item}.jpg"],
            }
            file.write(json.dumps(row) + "\n")


def read(folder: Path) -> None:
    """Read the files of a folder, and print time and peak memory after each step."""
    from micrec_pyg.cli.config import build
    from micrec_pyg.cli.data.settings import data_config
    from micrec_pyg.data.sources import source

    def tell(step: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{step}: {time.perf_counter() - begin:.0f} s, peak {peak:.2f} GiB")

    read_tables = source.read_tables

    def told(*given: object, **options: object) -> object:
        tell("raw files read into tables")
        return read_tables(*given, **options)

    source.read_tables = told
    keys = [f"pair=[{CATEGORY}]", f"data.path={folder}", f"data.root={folder}"]
    config = data_config(["data=amazon2018", *keys])
    begin = time.perf_counter()
    tell("libraries loaded")
    (catalogue,) = build(config).values()
    tell("catalogue in memory")
    print(f"{len(catalogue.interactions.user):,} interactions")


def main(argv: list[str]) -> int:
    """Generate the files and read them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000, help="reviews")
    parser.add_argument("--folder", help="where there is room (about 2 GB)")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.read:
        read(Path(given.read))
        return 0
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        reviews = Path(name) / f"{CATEGORY}.json.gz"
        write_reviews(reviews, given.lines)
        write_metadata(Path(name) / f"meta_{CATEGORY}.json.gz")
        print(f"{given.lines:,} reviews, {reviews.stat().st_size / 1e9:.2f} GB gzip")
        command = [sys.executable, "-m", "benchmarks.amazon", "--read", name]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
