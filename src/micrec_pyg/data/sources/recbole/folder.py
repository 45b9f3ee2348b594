"""Which of RecBole's atomic files belong to which data set of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.data.catalogue.folder_names import (
    UNKNOWN,
    Reason,
    entries,
    unread_files,
)
from micrec_pyg.data.files.table_names import stem_of
from micrec_pyg.schema import InputError

_FACTS: Reason = "it is not read without data.kg=true", "give that for facts"
_WHY: Mapping[str, Reason] = {
    ".user": ("it is not read: no model uses what is known of users", ""),
    ".kg": _FACTS,
    ".link": _FACTS,
}
"""Why a file of an ending is not read."""


@dataclass(frozen=True)
class AtomicFiles:
    """The files of one data set of RecBole's, which is one domain."""

    name: str
    inter: Sequence[Path]
    """One file, or the three of a ready split: train, validation, test."""
    item: Path | None
    kg: tuple[Path, Path] | None
    """``.kg`` and ``.link``."""

    @property
    def all(self) -> list[Path]:
        """Return every file that is read."""
        return [*self.inter, *([self.item] if self.item else []), *(self.kg or ())]


def find_atomic_files(
    folder: Path, benchmark: Sequence[str] | None, kg: bool
) -> dict[str, AtomicFiles]:
    """Return the data sets of a folder, or else of its subfolders, by name.

    Raises:
        InputError: there is none, a part is missing, or a name is there twice.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give data.path=FOLDER")
    if benchmark is not None and len(set(benchmark)) != 3:
        raise InputError(
            f"benchmark={list(benchmark)}; needed: the names of train, validation and "
            "test, as [train, valid, test], or null"
        )
    places = [folder]
    if not list(folder.glob("*.inter")):
        places = sorted(each for each in folder.iterdir() if each.is_dir())
    files: dict[str, AtomicFiles] = {}
    for place in places:
        for each in _data_sets(place, benchmark, kg):
            if each.name in files:
                raise InputError(
                    f"{folder}: two data sets are called {each.name}; rename one"
                )
            files[each.name] = each
    if not files:
        raise InputError(
            f"{folder}: no file NAME.inter there or in its subfolders; "
            "needed: RecBole's atomic files"
        )
    return files


def unread(folder: Path, found: Mapping[str, AtomicFiles]) -> list[str]:
    """Return a sentence on whatever lies beside the files of the data sets.

    Args:
        folder: of the user.
        found: all data sets there.
    """
    files = {file for each in found.values() for file in each.all}
    places = {file.parent for file in files}
    return [
        note
        for place in sorted({folder, *places})
        for note in unread_files(
            place, files | places, {p.name: _why(p, found) for p in entries(place)}
        )
    ]


def _why(path: Path, found: Mapping[str, AtomicFiles]) -> Reason:
    """Return why a file is not read, and what to do."""
    if path.suffix == ".inter" and path.stem in found:
        return "it is not read: its parts are", "data.benchmark=null reads it instead"
    if path.suffix == ".inter":
        return "it is not read: it is a part of a split", "data.benchmark reads those"
    if stem_of(path.name) is not None:
        return "it is not read, unless data.links names it", UNKNOWN[1]
    return _WHY.get(path.suffix, UNKNOWN)


def _data_sets(
    folder: Path, benchmark: Sequence[str] | None, kg: bool
) -> list[AtomicFiles]:
    """Return the data sets whose files lie in one folder."""
    stems = {path.stem for path in folder.glob("*.inter") if path.is_file()}
    parts = {s: s.rpartition(".")[0] for s in stems if s.endswith(_ends(benchmark))}
    sets = []
    for name in sorted({parts.get(stem, stem) for stem in stems}):
        inter = [folder / f"{name}.inter"]
        if name in parts.values():
            inter = [folder / f"{name}.{part}.inter" for part in benchmark or ()]
            missing = [path.name for path in inter if not path.exists()]
            if missing:
                raise InputError(
                    f"{folder}: the split of {name} lacks {', '.join(missing)}; add "
                    "it, or give data.benchmark=null to read no split"
                )
        elif name.rpartition(".")[0] in stems:
            continue  # a part of a split that is not to be read
        item = folder / f"{name}.item"
        graph = folder / f"{name}.kg", folder / f"{name}.link"
        if kg and not (graph[0].exists() and graph[1].exists()):
            raise InputError(f"{folder}: data.kg=true needs {name}.kg and {name}.link")
        sets.append(
            AtomicFiles(
                name=name,
                inter=inter,
                item=item if item.exists() else None,
                kg=graph if kg else None,
            )
        )
    return sets


def _ends(benchmark: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(f".{part}" for part in benchmark or ())
