"""Writing tables of the own-catalogue layout."""

from pathlib import Path

import polars as pl


def write_tsv(frame: pl.DataFrame, path: Path) -> None:
    """Write a plain TSV table (header, no quoting), as the catalogue reader wants it.

    The fields must hold neither tabs nor line breaks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path, separator="\t", quote_style="never")
