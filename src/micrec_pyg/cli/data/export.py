"""``micrec data export``: a data set in the files of another library."""

import argparse
from pathlib import Path

from micrec_pyg.cli.data.settings import add_settings, data_config
from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.data.sources.recbole.export import export_recbole
from micrec_pyg.runs.build import build

FORMATS = {"recbole": export_recbole}


def main(argv: list[str]) -> int:
    """Return 0 after writing the files.

    Raises:
        InputError: the settings or the data cannot be used, or the folder exists;
            nothing is written then.
    """
    given = _parser().parse_args(argv)
    log_to_stderr()
    catalogues = build(data_config(given.settings))
    folder = Path(given.out).expanduser()
    told = FORMATS[given.format](catalogues, folder)
    for name, note in told.items():
        show(f"{folder / name}: {note or 'complete'}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec data export",
        description="Write a data set in the files of another library.",
    )
    parser.add_argument("format", choices=FORMATS, help="whose files to write")
    add_settings(parser)
    parser.add_argument("out", metavar="OUT", help="a folder that does not exist yet")
    return parser
