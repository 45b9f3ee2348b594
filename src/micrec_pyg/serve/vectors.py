"""Vectors of new items: files beside the journal, which names them."""

import itertools
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from micrec_pyg.schema import DamagedFileError, Feature
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.tensors import read_tensors, write_tensors

NAME = re.compile(r"vectors-(\d+)\.safetensors")


class Vectors:
    """The files of a folder; each holds the items of one addition, in order."""

    def __init__(self, folder: Path) -> None:
        """Look after the files of a folder."""
        self._folder = folder
        self._numbers: Iterator[int] | None = None

    def write(self, features: Mapping[str, Feature]) -> str:
        """Return the name of a new file with the vectors of some items.

        Args:
            features: By modality, a row per item.

        Raises:
            StorageError: The disk refuses; nothing is written.
        """
        if self._numbers is None:
            found = [NAME.fullmatch(p.name) for p in self._folder.iterdir()]
            self._numbers = itertools.count(
                1 + max((int(name[1]) for name in found if name), default=0)
            )
        path = self._folder / f"vectors-{next(self._numbers)}.safetensors"
        tensors = {}
        for modality, feature in features.items():
            tensors[f"{modality}/values"] = feature.values.float()
            tensors[f"{modality}/mask"] = feature.mask
        write_tensors(path, tensors, {})
        self._reach_disk()
        return path.name

    def read(self, name: str, places: Sequence[int]) -> dict[str, Feature]:
        """Return the vectors of some items of a file, by modality.

        Args:
            name: Of the file.
            places: Of the items in it.

        Raises:
            DamagedFileError: It is missing, or not what was written.
        """
        path = self._folder / name
        if not path.exists():
            raise DamagedFileError(f"{path} is missing; restore it from a copy")
        tensors, _ = read_tensors(path)
        rows = torch.tensor(places, dtype=torch.int64)
        names = [key.removesuffix("/mask") for key in tensors if key.endswith("/mask")]
        try:
            return {
                name: Feature(
                    tensors[f"{name}/values"][rows], tensors[f"{name}/mask"][rows]
                )
                for name in names
            }
        except (LookupError, IndexError) as error:
            raise DamagedFileError(
                f"{path} does not have the vectors that the journal names"
            ) from error

    def keep_only(self, names: Collection[str]) -> None:
        """Remove the files that nothing names, and what a kill left unfinished."""
        remove_stale_parts(self._folder)
        with explained(self._folder):
            for path in self._folder.iterdir():
                if NAME.fullmatch(path.name) and path.name not in names:
                    path.unlink()

    def _reach_disk(self) -> None:
        """Let the names of new files reach the disk, before rows are that have them."""
        with explained(self._folder):
            place = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(place)
            finally:
                os.close(place)
