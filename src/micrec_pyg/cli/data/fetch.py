"""``micrec data fetch``: download raw files before a run, or only show their sizes."""

import argparse
import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from micrec_pyg.cli.data.settings import data_config
from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.data.download.fetch import Remote, fetch_all, remaining_bytes
from micrec_pyg.data.sources.amazon.raw_files import AmazonFiles
from micrec_pyg.schema import InputError


def main(argv: list[str]) -> int:
    """Return 0 after the files are there, or after their sizes were printed.

    Raises:
        InputError: the settings cannot be used, or the files cannot be had.
    """
    given = _parser().parse_intermixed_args(argv)
    source = _source(given.settings)
    log_to_stderr()
    if not given.dry_run:
        fetch_all(source.remotes())
    show(sizes(given.settings)[1])
    return 0


def sizes(settings: list[str]) -> tuple[Mapping[Remote, int | None], str]:
    """Return the bytes that each file lacks (None: unknown), and them as a table.

    Args:
        settings: As on the command line.

    Raises:
        InputError: the settings cannot be used, or the server cannot be asked.
    """
    source = _source(settings)
    left = remaining_bytes(source.remotes())
    return left, _table(left, source)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec data fetch",
        description="Download raw files before a run, or only show their sizes.",
    )
    parser.add_argument(
        "settings",
        nargs="+",
        metavar="KEY=VALUE",
        help="data=amazon2014, amazon2018 or amazon2023, pair=NAME or "
        "pair=[Category,Category], and keys as data.source=5core",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="ask the server for the sizes and download nothing",
    )
    return parser


def _source(settings: list[str]) -> AmazonFiles:
    """Return where the files come from by the settings of a run."""
    data = data_config(settings)
    names = [field.name for field in dataclasses.fields(AmazonFiles)]
    if not set(names) <= set(data):
        raise InputError(
            f"{' '.join(settings)}: only Amazon Reviews have raw files to fetch; give "
            "data=amazon2014, data=amazon2018 or data=amazon2023"
        )
    source = AmazonFiles(**{name: data[name] for name in names})
    if source.path is not None:
        raise InputError(
            f"data.path={source.path} is where your own raw files lie; leave it out "
            "to download"
        )
    return source


def _table(left: Mapping[Remote, int | None], source: AmazonFiles) -> str:
    """Return a line per file, and what is needed and free in all."""
    lines = [f"{_size(size):>18}  {remote.url}" for remote, size in left.items()]
    unknown = sum(size is None for size in left.values())
    total = sum(size or 0 for size in left.values())
    folder = source.folder.absolute()
    existing: Path = next(f for f in [folder, *folder.parents] if f.exists())
    free = shutil.disk_usage(existing).free
    more = f" and {unknown} files of unknown size" if unknown else ""
    lines.append(f"to fetch: {total:,} bytes{more}; free: {free:,} bytes in {existing}")
    return "\n".join([*lines, ""])


def _size(left: int | None) -> str:
    if left is None:
        return "unknown size"
    return f"{left:,} bytes" if left else "is there"
