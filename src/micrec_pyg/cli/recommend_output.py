"""Lists -> one file, written whole or not at all, or CSV on stdout."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import polars as pl

from micrec_pyg.cli.process import show
from micrec_pyg.schema import InputError
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.writing import fill_parquet, whole

ENDINGS = (".parquet", ".csv", ".jsonl")


def check_output(path: Path) -> Path:
    """Return a path whose ending says how to write it.

    Raises:
        InputError: Its ending is another one, or it is a folder.
    """
    if path.suffix not in ENDINGS:
        raise InputError(f"--output {path}: give a name that ends in {_words()}")
    if path.is_dir():
        raise InputError(f"--output {path}: that is a folder; give the name of a file")
    return path


def write_lists(lists: Iterable[pl.DataFrame], output: Path | None) -> int:
    """Return the number of rows written; what is held at a time is one frame.

    Args:
        lists: Frames of the same columns.
        output: A file; None: CSV on stdout.
    """
    if output is None:
        if getattr(sys.stdout, "name", None) == os.devnull:  # see whole_streams
            raise InputError("stdout is closed; give --output FILE")
        return _csv(lists, show if sys.stdout.isatty() else _put)
    with whole(output) as part:
        if output.suffix == ".parquet":
            return fill_parquet(part, lists)
        with part.open("wb") as file:
            if output.suffix == ".csv":
                return _csv(lists, lambda text: _write(file, text))
            return _jsonl(lists, file)


def _csv(lists: Iterable[pl.DataFrame], write: Callable[[str], object]) -> int:
    rows = 0
    for place, frame in enumerate(lists):
        write(frame.write_csv(include_header=place == 0))
        rows += frame.height
    return rows


def _jsonl(lists: Iterable[pl.DataFrame], file: BinaryIO) -> int:
    rows = 0
    for frame in lists:
        _write(file, frame.write_ndjson())
        rows += frame.height
    return rows


def _put(text: str) -> None:
    """Write ids and titles as they are: what reads them is no terminal."""
    with explained(Path("stdout")):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())


def _words() -> str:
    return f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
