"""TSV and CSV tables as polars reads them, whole or in pieces of bounded size."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.files.line_blocks import blocks
from micrec_pyg.data.files.table_names import SUFFIXES, kind_of

Codes = Callable[[Sequence[str]], Collection[str]]
"""The names of a table's columns -> those whose texts become Categorical."""

_DELIMITERS = {
    ",": "commas",
    "\t": "tabs",
    ";": "semicolons",
    "|": "bars",
    " ": "blanks",
}


def read_separated(path: Path, *, header: bool, rows: int | None) -> pl.DataFrame:
    """Return the first rows of a TSV or CSV table, every cell a text."""
    return pl.read_csv(
        path,
        has_header=header,
        n_rows=rows,
        glob=False,  # a folder may be called a? or [b]
        **_syntax(path),
    )


def read_in_pieces(path: Path, codes: Codes) -> pl.DataFrame | None:
    """Return a TSV or CSV table with a header, its repeated texts as codes.

    It is read piece by piece: the texts of a large file would fill the memory.

    Args:
        path: the table.
        codes: which texts become codes.

    Returns:
        None where a record might go over the end of a piece, or a piece begins with a
        blank line, which polars would not count.
    """
    frames: list[pl.DataFrame] = []
    for line, block in blocks(path):
        blank = line > 1 and block.startswith((b"\n", b"\r\n"))
        if blank or (kind_of(path) == ".csv" and b'"' in block):
            return None
        frame = pl.read_csv(block, has_header=line == 1, **_syntax(path))
        if frames:
            frame.columns = frames[0].columns
        frames.append(with_codes(frame, codes(frame.columns)))
    return pl.concat(frames)


def with_codes(frame: pl.DataFrame, coded: Collection[str]) -> pl.DataFrame:
    """Return a frame with some of its texts as Categorical."""
    return frame.with_columns(
        frame[name].cast(pl.Categorical)
        for name in coded
        if frame.schema[name] == pl.String
    )


def delimiter_hint(found: Sequence[str], path: Path) -> str:
    """Return a hint at another delimiter, where the header is one field."""
    if len(found) != 1 or kind_of(path) in (".parquet", ".jsonl"):
        return ""
    own = "," if kind_of(path) == ".csv" else "\t"
    for delimiter, name in _DELIMITERS.items():
        if delimiter != own and delimiter in found[0]:
            suffix = {",": ".csv", "\t": ".tsv"}.get(delimiter)
            other = (
                f", or call it {suffix}" if suffix and kind_of(path) in SUFFIXES else ""
            )
            wanted = _DELIMITERS[own]
            return f"the fields are separated by {name}: use {wanted}{other}"
    return ""


def _syntax(path: Path) -> dict[str, Any]:
    """Return how fields are told apart, and that they stay texts."""
    quotes = kind_of(path) == ".csv"
    return {
        "separator": "," if quotes else "\t",
        "quote_char": '"' if quotes else None,
        "infer_schema": False,
    }
