"""How long a person waits: for the import, for ``micrec --help``, and for training.

Training is the default run, MICRec on MovieLens-100K, with every cache filled. Its
wait goes from the start of the process to the begin of its first epoch.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data import food_and_kitchen
from benchmarks.harness import (
    ROOT,
    CannotRunError,
    Options,
    Row,
    Worker,
    at_most,
    environment,
    row,
)

IMPORT = [sys.executable, "-c", "import micrec_pyg"]
NOTHING = [sys.executable, "-c", "pass"]
HELP = [sys.executable, "-m", "micrec_pyg.cli.main", "--help"]


def measure(options: Options) -> list[Row]:
    """Return three rows without peers; caches are filled before."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        label, overrides = "MovieLens-100K", ["data=movielens"]
        if options.quick:
            source = food_and_kitchen(folder, options)
            label, overrides = source.label, source.overrides
        try:
            if not options.quick:
                until_epoch(folder, overrides)  # fills the caches
        except CannotRunError as error:
            source = food_and_kitchen(folder, Options(quick=True))
            label = f"{source.label} (MovieLens: {error})"
            overrides = source.overrides
        waits = [until_epoch(folder, overrides) for _ in range(options.turns(5))]
    imports = [
        seconds_of(IMPORT) - seconds_of(NOTHING) for _ in range(options.turns(10) + 1)
    ]
    return [
        row(
            "import micrec_pyg, beyond a bare interpreter",
            "s",
            imports[1:],
            None,
            "",
            target=at_most(0.1, "s"),
        ),
        row(
            "micrec --help",
            "s",
            [seconds_of(HELP) for _ in range(options.turns(10) + 1)][1:],
            None,
            "",
            target=at_most(0.5, "s"),
        ),
        row(
            f"micrec train until its first epoch begins, {label}",
            "s",
            waits,
            None,
            "",
            target=at_most(5, "s"),
        ),
    ]


def seconds_of(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    begin = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment()
    )
    return time.perf_counter() - begin


def until_epoch(folder: Path, overrides: list[str]) -> float:
    """Return the seconds from starting the process to its first epoch's begin."""
    given = [*overrides, f"output_dir={tempfile.mkdtemp(dir=folder)}"]
    begin = time.perf_counter()
    with Worker("train.py", {"overrides": given}) as worker:
        return time.perf_counter() - begin - worker.ready["seconds"]
