"""``micrec bench PART``: measure a claim of speed against its peers."""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text

PARTS = {
    "propagation": "the sparse product under every layer",
    "epoch": "a training epoch of LightGCN, INMO, MICRec and MICRec+",
    "published": "a training epoch of the other models against their own code",
    "sampler": "drawing training triplets",
    "ranking": "ranking all items for all users",
    "answers": "answers of a trained model by raw id",
    "serve": "the service, asked over HTTP by eight clients",
    "knn": "exact multimodal nearest neighbours",
    "gpu": "products, steps, ranking and neighbours on a CUDA device",
    "growth": "time and memory from 0.1 to 10 M interactions",
    "startup": "until help is shown, until training begins",
}
"""Scripts of ``benchmarks/`` with ``measure(options) -> rows``."""


def main(argv: list[str]) -> int:
    """Return 0 when everything that was asked for is measured.

    Raises:
        InputError: This is no checkout, or an argument is impossible.
    """
    given = _arguments(argv)
    root = Path(__file__).parents[3]
    if not (root / "benchmarks" / "harness.py").is_file():
        raise InputError(
            "benchmarks/ is not here: it is part of a checkout of the project, not of "
            "an installed package"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    harness: Any = importlib.import_module("benchmarks.harness")
    page: Any = importlib.import_module("benchmarks.page")
    options = harness.Options(
        runs=given.runs,
        quick=given.quick,
        inmo=given.inmo,
        clones=given.clones,
        json=given.json,
    )
    machine = page.machine()
    rows, failed = [], False
    for part in [given.part] if given.part else PARTS:
        print(f"\n{part}: {PARTS[part]}", flush=True)
        try:
            found = importlib.import_module(f"benchmarks.{part}").measure(options)
        except harness.CannotRunError as error:
            print(f"  failed: {error}")
            failed = True
            continue
        if given.quick:  # tiny data can neither meet nor miss a target
            found = [{**row, "target": None, "met": None} for row in found]
        print(page.lines(found), flush=True)
        rows += [{"part": part, **row} for row in found]
    if given.json:
        write_text(given.json, page.as_json(rows))
    if given.page or not (given.part or given.quick or failed):
        print(f"\nwrote {page.write(page.with_others(rows, machine))}")
    return int(failed)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parts = "\n".join(f"  {name:<13}{what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="micrec bench",
        description="Measure a claim of speed against its peers.\n\n"
        "Without a PART all are measured, and "
        f"docs/performance.md is written anew.\n\nparts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="?", metavar="PART")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows here")
    parser.add_argument("--runs", type=int, help="timed runs of each contender")
    parser.add_argument(
        "--quick", action="store_true", help="tiny data, no peers to install: a trial"
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="put the measured rows into docs/performance.md, keep its others",
    )
    parser.add_argument(
        "--inmo",
        type=Path,
        metavar="PATH",
        default=os.environ.get("MICREC_INMO"),
        help="your clone of the official INMO code, or MICREC_INMO; without it that "
        "peer is left out",
    )
    parser.add_argument(
        "--clones",
        type=Path,
        metavar="PATH",
        default=os.environ.get("MICREC_CLONES"),
        help="a folder with your clones of other published codes, or MICREC_CLONES; "
        "those that are not there are left out",
    )
    given = parser.parse_args(argv)
    _check(given)
    return given


def _check(given: argparse.Namespace) -> None:
    """Refuse what cannot be measured."""
    if given.part is not None and given.part not in PARTS:
        raise InputError(f"bench {given.part}: give one of {', '.join(PARTS)}")
    if given.runs is not None and given.runs < 1:
        raise InputError(f"--runs {given.runs}: give 1 or more")
    if given.inmo is not None and not (Path(given.inmo) / "trainer.py").is_file():
        raise InputError(
            f"--inmo {given.inmo}: give a clone of the official INMO code; it has a "
            "file trainer.py"
        )
    if given.clones is not None and not Path(given.clones).is_dir():
        raise InputError(
            f"--clones {given.clones}: no such folder; give one with your clones of "
            "published codes"
        )
