"""Data frames -> a catalogue in files, which every command can read."""

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors

from micrec_pyg.data.catalogue.reader import domain_folders
from micrec_pyg.data.files.times import has_fraction, tell_cut
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_folder

TABLES = ("interactions", "items")

AS_TEXT = "turn ids and texts into texts, in pandas: frame.astype({'user': str})"


@dataclass(frozen=True)
class Catalogue:
    """A data set in the own-catalogue format (docs/own_catalogue.md): a folder."""

    path: str

    @property
    def domains(self) -> list[str]:
        """Return the names of the domains, in alphabetical order."""
        return [folder.name for folder in domain_folders(Path(self.path), None)]

    @classmethod
    def from_frames(cls, frames: Any, *, root: str | Path | None = None) -> "Catalogue":
        """Return the catalogue of some frames, written to a folder named by content.

        So the same frames are the same data set, and the same runs, in every process.

        Args:
            frames: {domain: interactions} or {domain: (interactions, items)}; frames
                of polars, pandas or any library with the Arrow interface, with the
                columns of docs/own_catalogue.md: user and item, and item and texts.
            root: Where the folder goes; None: ``processed/frames`` of the data.

        Raises:
            InputError: There is no domain, a name is no name of a folder, or a value
                is no frame.
        """
        if not isinstance(frames, Mapping):
            raise InputError(
                f"a {type(frames).__name__} was given; give "
                "{domain: (interactions, items)}"
            )
        if not frames:
            raise InputError(
                "no frames were given; give {domain: (interactions, items)}"
            )
        files: dict[str, bytes] = {}
        for domain, given in frames.items():
            _check_name(domain)
            for name, table in _tables(domain, given):
                path = f"{domain}/{name}.parquet"
                files[path] = _parquet(table, path)
        digest = hashlib.sha256()
        for path, content in sorted(files.items()):
            digest.update(f"{path} {len(content)}\n".encode() + content)
        data = Path(os.environ.get("MICREC_DATA", "data"), "processed", "frames")
        folder = Path(root or data).absolute() / digest.hexdigest()[:16]
        if not folder.is_dir():
            write_folder(folder, lambda target: _fill(target, files))
        return cls(str(folder))


def _tables(domain: str, given: Any) -> list[tuple[str, Any]]:
    """Return the frames of a domain, each with what it is called in its folder."""
    tables = list(given) if isinstance(given, tuple | list) else [given]
    if not tables or tables[0] is None or len(tables) > len(TABLES):
        raise InputError(
            f"domain '{domain}': give its interactions, or (interactions, items)"
        )
    pairs = zip(TABLES, tables, strict=False)
    return [(name, table) for name, table in pairs if table is not None]


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)


def _parquet(table: Any, path: str) -> bytes:
    """Return a frame as the bytes of a Parquet file, times as Unix seconds."""
    frame = as_polars(table, path)
    if Path(path).stem == TABLES[0]:
        for moments in frame.select(selectors.datetime()):
            tell_cut(has_fraction(moments), Path(path))
    frame = frame.with_columns(selectors.datetime().dt.epoch("s"))
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def as_polars(table: Any, path: str) -> pl.DataFrame:
    """Return any library's frame as one of polars.

    Args:
        table: Of polars, pandas or any library with the Arrow interface.
        path: What it is, for messages.

    Raises:
        InputError: It is no frame.
    """
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, pl.DataFrame):
        if pl.Object in table.dtypes:
            raise InputError(f"{path}: a column holds objects; {AS_TEXT}")
        return table
    if not hasattr(table, "__arrow_c_stream__"):
        raise InputError(
            f"{path}: a {type(table).__name__} was given; give a data frame of polars "
            "or pandas"
        )
    try:
        return pl.DataFrame(table)
    except (TypeError, ValueError) as error:  # Arrow's own are of these
        raise InputError(
            f"{path}: a column holds values of several kinds ({error}); {AS_TEXT}"
        ) from error


def _check_name(domain: object) -> None:
    """Refuse a domain whose name cannot be the name of a folder."""
    if (
        not isinstance(domain, str)
        or not domain
        or domain.startswith(".")
        or {*domain} & {*"/\\\0"}
    ):
        raise InputError(
            f"domain '{domain}': give a name that a folder can have, such as food"
        )
