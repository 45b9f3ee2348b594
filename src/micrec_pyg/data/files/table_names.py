"""Names of files that hold tables: which endings are read, and how."""

from pathlib import Path

from micrec_pyg.schema import InputError

SUFFIXES = (".tsv", ".csv", ".parquet", ".jsonl")
GZIP = ".gz"


def stem_of(name: str) -> str | None:
    """Return what stands before the ending of a table; None where it has none.

    Endings may be in capitals. Text may be compressed: ``items.CSV.gz`` gives
    ``items``. Parquet is compressed by itself.
    """
    text = name[: -len(GZIP)] if name.lower().endswith(GZIP) else name
    path = Path(text)
    suffix = path.suffix.lower()
    known = suffix in SUFFIXES and not (suffix == ".parquet" and text != name)
    return path.stem if known else None


def kind_of(path: Path) -> str:
    """Return the ending that says how a table is written, ``.csv`` of ``A.CSV.gz``."""
    return Path(path.name.lower().removesuffix(GZIP)).suffix


def find_table(folder: Path, stem: str) -> Path | None:
    """Return the one table ``<stem>.<tsv|csv|parquet|jsonl>``, None without any.

    Text may be compressed by gzip (``.csv.gz``) and endings be in capitals; where a
    table with a plain ending is there, such files beside it are not looked at. A link
    to nothing counts as a table, so that reading it says so.

    Raises:
        InputError: several such files lie there.
    """
    listed = sorted(folder.iterdir()) if folder.is_dir() else []
    every = [path for path in listed if stem_of(path.name) == stem]
    every.sort(key=lambda path: SUFFIXES.index(kind_of(path)))
    found = [path for path in every if path.suffix in SUFFIXES] or every
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(
            f"{folder}: found {names}; only one {stem} table may be there, "
            "so remove or rename the others"
        )
    return found[0] if found else None
