"""``micrec data stats``: sizes, degrees, overlap, coverage and time of a data set."""

import argparse
from pathlib import Path

from micrec_pyg.cli.data.settings import add_settings, data_config
from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.data.describe.card import data_card, summarize
from micrec_pyg.data.describe.plot import SUFFIXES, plot
from micrec_pyg.data.describe.statistics import measure_catalogues
from micrec_pyg.runs.build import build
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_json, write_text


def main(argv: list[str]) -> int:
    """Return 0 after printing the numbers and writing what was asked for.

    Raises:
        InputError: the settings or the data cannot be used; nothing is written then.
    """
    given = _parser().parse_args(argv)
    if given.plot and Path(given.plot).suffix not in SUFFIXES:
        raise InputError(f"--plot {given.plot}: give a file in {', '.join(SUFFIXES)}")
    for name in (given.plot, given.json, given.card):
        if name and Path(name).is_dir():
            raise InputError(f"{name} is a folder; give the name of a file")
    log_to_stderr()
    catalogues = build(data_config(given.settings))
    show(summarize(catalogues))
    if given.json:
        write_json(Path(given.json), measure_catalogues(catalogues))
    if given.card:
        write_text(Path(given.card), data_card(catalogues))
    if given.plot:
        plot(catalogues, Path(given.plot))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec data stats",
        description="Show sizes, degrees, overlap, coverage and time of a data set.",
    )
    add_settings(parser)
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw degrees, overlap and time (.png, .pdf or .svg)",
    )
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    parser.add_argument("--card", metavar="FILE", help="write the data card there")
    return parser
