"""Vectors of items in a domain's folder: ``<modality>.parquet``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.data.catalogue.folder_names import TABLES, entries, is_utf8
from micrec_pyg.data.files.problems import Problems
from micrec_pyg.data.files.vectors import read_vectors, without_zeros


def find_vectors(folder: Path) -> list[Path]:
    """Return the files of vectors by name, one per modality.

    A name that is that of a table but for capitals, such as ``Items.parquet``, is none.
    """
    taken = (*TABLES, KG)
    found: dict[str, Path] = {}
    # of one stem, the plain ending before those in capitals
    for path in sorted(entries(folder), key=lambda each: each.suffix != ".parquet"):
        if path.suffix.lower() == ".parquet" and is_utf8(path.name):
            found.setdefault(path.stem, path)
    return sorted(path for stem, path in found.items() if stem.lower() not in taken)


def read_vector_files(
    files: Sequence[Path], columns: Mapping[str, str] | None, problems: Problems
) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """Return item and vector per modality, and an entry for the digest per amended one.

    The name of a file without its ending is the modality.

    Earlier versions kept vectors of zeros: what they cached for the same files, such as
    neighbour lists, must not be taken. Files without any keep the digest they had.

    Args:
        files: of ``find_vectors``.
        columns: role -> column, see ``columns.locate``.
        problems: where to note what is wrong.
    """
    found, amended = {}, {}
    for file in files:
        table = read_vectors(file, columns, problems)
        kept = None if table is None else without_zeros(table, file, problems)
        if kept is not table:
            amended[file.stem] = "without zeros"
        if kept is not None:
            found[file.stem] = kept
    return found, amended
