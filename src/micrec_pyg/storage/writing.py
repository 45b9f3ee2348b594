"""Files and folders written whole or not at all.

Whatever happens, a reader finds what was there before or what is there now, with the
rights of the user's umask. A failure leaves nothing behind; what a kill leaves is
removed by ``parts.remove_stale_parts``.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.parts import part_folder


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield where to write a file or folder; at the end it is put in place.

    If another process has put the same folder in place meanwhile, that one stays.

    Args:
        path: Where it belongs; the folders above are made if need be.

    Raises:
        StorageError: The disk refuses.
    """
    part = part_folder(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # a process that is no more may have had our number
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            content = part / path.name
            yield content
            _finish(content, rights=part.stat().st_mode)
            _replace(content, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def put(finished: Path, path: Path) -> None:
    """Move a finished file of the same disk to its place.

    Raises:
        StorageError: The disk refuses.
    """
    with explained(path):
        _replace(finished, path)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write a YAML file whole or not at all, keys in the order given."""
    write_text(path, yaml.safe_dump(dict(value), sort_keys=False))


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a table whole or not at all."""
    with whole(path) as part:
        frame.write_parquet(part)


def fill_parquet(part: Path, frames: Iterable[pl.DataFrame]) -> int:
    """Return the number of rows written to a new file; one frame is held at a time.

    Args:
        part: The file, as ``whole`` yields it.
        frames: Of the same columns.
    """
    import pyarrow.parquet as pq

    rows, writer = 0, None
    try:
        for frame in frames:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(part, table.schema)
            writer.write_table(table)
            rows += frame.height
    finally:
        if writer is not None:
            writer.close()
    return rows


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder whole or not at all.

    Args:
        folder: Where it belongs. One that is there already stays as it is.
        fill: Gets an empty folder and writes the content.
    """
    with whole(folder) as part:
        part.mkdir()
        fill(part)


def _finish(content: Path, *, rights: int) -> None:
    """Give files the umask's rights, and let their bytes reach the disk.

    Args:
        content: A file, or a folder of files.
        rights: Mode of a folder made with the umask.
    """
    files = [content]
    if content.is_dir():
        files = [path for path in content.rglob("*") if path.is_file()]
    for path in files:
        # safetensors makes files that only their owner can read
        path.chmod(rights & 0o666)
        with path.open("rb") as file:
            # else a power cut may leave an empty file under the final name
            os.fsync(file.fileno())


def _replace(content: Path, path: Path) -> None:
    try:
        os.replace(content, path)
    except OSError:
        if not (content.is_dir() and path.is_dir()):
            raise
