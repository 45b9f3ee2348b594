"""Writing data sets in the own-catalogue layout, whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Create a folder with the content that ``fill`` writes; never leaves half of it.

    ``fill`` gets an empty folder beside the target, which is renamed when complete.
    If another process finished the same folder meanwhile, that one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        content = work / "content"  # mkdtemp folders are private to their owner
        content.mkdir()
        fill(content)
        try:
            os.replace(content, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(work)


def write_tsv(frame: pl.DataFrame, path: Path) -> None:
    """Write a plain TSV table (header, no quoting), as the catalogue reader wants it.

    The fields must hold neither tabs nor line breaks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path, separator="\t", quote_style="never")
