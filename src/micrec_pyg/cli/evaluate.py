"""``micrec evaluate``: open the sealed test set for finished runs."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.cli.jobs import evaluate_job
from micrec_pyg.cli.process import log_to_stderr, prepare
from micrec_pyg.cli.results import grids
from micrec_pyg.grid import aligned


def main(argv: list[str]) -> int:
    """Return 0 when every named run has its test results.

    Raises:
        InputError: A folder is no finished run, or its data has changed.
    """
    parser = argparse.ArgumentParser("micrec evaluate", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--again", action="store_true", help="evaluate also where results exist"
    )
    parser.add_argument("--device", help="another device than the run was trained on")
    options = parser.parse_args(argv)
    prepare()
    log_to_stderr()
    for name in options.runs:
        metrics = evaluate_job(Path(name), again=options.again, device=options.device)
        print(name)
        print(_text(metrics["test"]))
    return 0


def _text(test: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return the results as aligned text, a row per domain and group."""
    tables = ["\n".join(aligned(grid)) for grid in grids(test)]
    return "\n\n".join(tables) or "nothing to rank: no user has a test item"
