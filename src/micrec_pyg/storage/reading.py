"""Tables of ours read back: a damaged one is a sentence, whatever its bytes."""

from pathlib import Path

import polars as pl

from micrec_pyg.schema import DamagedFileError
from micrec_pyg.storage.failures import explained


def read_parquet(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Return a Parquet table that this project wrote.

    Args:
        path: The file.
        columns: Which to read; None reads all.

    Raises:
        DamagedFileError: It is missing or none, or lacks a column.
        StorageError: The file must not be read.
    """
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "missing"
        raise DamagedFileError(f"{path} is {what}")
    try:
        with explained(path):
            return pl.read_parquet(path, columns=columns, glob=False)
    # polars panics over some damaged files
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error
