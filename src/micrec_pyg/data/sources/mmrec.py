"""A data set in MMRec's layout as a catalogue: ``NAME.inter`` and ``*_feat.npy``.

Converted once into the own-catalogue layout, which is read from then on.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from micrec_pyg.data.catalogue.domain_folder import hashes
from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.data.catalogue.folder_names import TABLES, unread_files
from micrec_pyg.data.files.columns import check_columns
from micrec_pyg.data.files.problems import STRICT, Problem
from micrec_pyg.data.files.tables import ROW, add_cells
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.recbole.atomic_files import header, own_rows, role_columns
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.schema import InputError

CONVERSION = 1
"""Raised whenever the converted files change, so that old ones are not used."""
ENDING = "_feat.npy"
NO_MODALITY = (
    f"it is not read: the files of modalities are called <modality>{ENDING}",
    "if it holds vectors of the items, give data.features={MODALITY: FILE}",
)
FIELDS = {
    "user": "userID",
    "item": "itemID",
    "rating": "rating",
    "timestamp": "timestamp",
    "x_label": "x_label",
}
"""The usual column of every role."""


@dataclass(frozen=True, kw_only=True)
class MMRec(Source):
    """The data set in a folder of MMRec's layout, as one domain.

    Items are numbers: the rows of the feature files, which all items have. A column
    ``x_label`` is the ready split (``split=ready``). There is one data set per
    folder: another one numbers its users anew, so that no two can be joined. What
    else lies there is named in the log.
    """

    root: str
    """Data folder; conversions lie in ``<root>/processed``."""
    path: str
    """The folder."""
    features: Mapping[str, str] | None
    """{modality: file}; None takes every ``<modality>_feat.npy``."""
    columns: Mapping[str, str] | None
    """{role: column}; the usual names are in ``FIELDS``."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the converted files.

        Raises:
            InputError: a file is missing or cannot be read, or an option does not fit.
        """
        check_columns(self.columns)
        source = Path(self.path).expanduser()
        inter, features = self._files()
        files = {name: source / file for name, file in features.items()}
        origin = {inter.stem: hashes(source, [inter, *files.values()])}
        options = [dict(features), dict(self.columns or {})]
        content = ["mmrec", CONVERSION, origin, *options]
        convert = functools.partial(_convert, inter, files, self.columns)
        folder = convert_once(self.root, f"mmrec-{inter.stem}", content, convert)
        why = dict.fromkeys((f.name for f in _found(source, ".npy")), NO_MODALITY)
        notes = unread_files(source, [inter, *files.values()], why)
        return OwnFormat(folder=folder, origin=origin, notes=notes)

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a folder without interactions, or without a file of ``features``."""
        self._files()

    def _files(self) -> tuple[Path, Mapping[str, str]]:
        """Return the file of interactions, and the name of that of every modality."""
        source = Path(self.path).expanduser()
        inter = _inter(source)
        features = _features(source) if self.features is None else self.features
        if taken := [name for name in features if name in (*TABLES, KG)]:
            raise InputError(f"features: no modality can be called {', '.join(taken)}")
        for file in (source / name for name in features.values()):
            if not file.is_file():
                raise InputError(f"{file}: no such file; correct data.features")
        return inter, features


def _features(folder: Path) -> dict[str, str]:
    """Return the file of every modality, by the names of the files."""
    return {f.name.removesuffix(ENDING): f.name for f in _found(folder, ENDING)}


def _inter(folder: Path) -> Path:
    """Return the one file of interactions."""
    found = _found(folder, ".inter")
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(
            f"{folder}: one file NAME.inter is needed, found: {names}; give the folder "
            "of one data set as data.path"
        )
    return found[0]


def _found(folder: Path, ending: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{ending}") if path.is_file())


def _convert(
    inter: Path,
    features: Mapping[str, Path],
    columns: Mapping[str, str] | None,
    folder: Path,
) -> None:
    """Write the own-catalogue layout."""
    usual = {name: name for name in header(inter)}
    rows = own_rows(inter, role_columns(usual, FIELDS, columns))
    vectors = {name: _vectors(path) for name, path in features.items()}
    sizes = {features[name].name: len(each) for name, each in vectors.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(
            f"{inter.parent}: the feature files have different numbers of rows, "
            f"{sizes}; row i of each must be item i"
        )
    target = folder / inter.stem
    target.mkdir()
    number = _numbers(rows, sizes, inter)
    rows = rows.with_columns(number).drop(ROW)
    rows.write_parquet(target / "interactions.parquet")
    if vectors:
        items = pl.Series("item", range(min(sizes.values()))).cast(pl.String)
        items.to_frame().write_parquet(target / "items.parquet")
    for name, values in vectors.items():
        cells = pl.Series("vector", values).cast(pl.List(pl.Float32))
        pl.DataFrame([items, cells]).write_parquet(target / f"{name}.parquet")


def _numbers(rows: pl.DataFrame, sizes: Mapping[str, int], path: Path) -> pl.Series:
    """Return the items as plain numbers (``7``, not ``007``), checked."""
    number = rows["item"].cast(pl.UInt32, strict=False)
    count = min(sizes.values(), default=2**32)
    bad = number.is_null() | (number.cast(pl.UInt64) >= count).fill_null(True)
    need = f"the number of an item from 0 to {count - 1} is needed"
    if sizes:
        need += f", because {', '.join(sizes)} have {count} rows"
    add_cells(rows, rows["item"], bad, path, STRICT, need=need)
    return number.cast(pl.String)


def _vectors(path: Path) -> np.ndarray:
    """Return a matrix of finite numbers, one row per item (float32)."""
    try:
        # a pickled array could run any code
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        mend = "save a matrix of numbers with numpy.save"
        fault = f"it cannot be read ({str(error).splitlines()[0]})"
        raise InputError(str(Problem(path, fault, mend))) from error
    number = isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    if not number or values.ndim != 2 or 0 in values.shape:
        got = getattr(values, "shape", type(values).__name__)
        kind = getattr(values, "dtype", "no array")
        fault = f"got {got} of {kind}, a matrix of numbers is needed, a row per item"
        raise InputError(str(Problem(path, fault)))
    with np.errstate(over="ignore"):
        values = np.asarray(values, np.float32)
    odd = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(odd):
        fault = f"{len(odd)} rows hold a number that is not finite in 32 bits"
        raise InputError(str(Problem(path, fault, place=f"row {odd[0]} (from 0)")))
    return values
