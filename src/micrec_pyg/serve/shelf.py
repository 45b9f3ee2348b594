"""The loaded artefacts, by name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micrec_pyg.inference.artefact import artefact_folder
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.runs.artefact import ARTEFACT, RECORD
from micrec_pyg.runs.files import read_json
from micrec_pyg.schema import InputError
from micrec_pyg.serve.errors import FieldError
from micrec_pyg.storage.digests import file_digest
from micrec_pyg.storage.seals import MANIFEST

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(eq=False)
class Served:
    """An artefact that answers; ``rec`` is another one after an addition."""

    name: str
    folder: Path
    record: Mapping[str, Any]
    """The content of ``artefact.json``."""
    digest: str
    """sha256 of the manifest, which has the digests of all files."""
    rec: Recommender
    writable: bool = False

    def domain(self, given: str | None) -> str:
        """Return the domain that is meant.

        Raises:
            FieldError: It is unknown, or missing where there are several.
        """
        names = self.rec.domains
        if given is None and len(names) == 1:
            return names[0]
        if given is None or given not in names:
            what = "is missing" if given is None else f"'{given}' is unknown"
            raise FieldError("domain", f"domain {what}; give one of {', '.join(names)}")
        return given


class Shelf:
    """Some artefacts in the order in which they were given."""

    def __init__(self, served: Sequence[Served]) -> None:
        """Hold them by name."""
        self._served = {each.name: each for each in served}

    def __iter__(self) -> Iterator[Served]:
        """Yield each of them."""
        return iter(self._served.values())

    def get(self, name: str | None) -> Served:
        """Return one by name; the first where none is given.

        Raises:
            FieldError: The name is unknown.
        """
        if name is None:
            return next(iter(self._served.values()))
        if name not in self._served:
            known = ", ".join(self._served)
            raise FieldError("model", f"model '{name}' is unknown; give one of {known}")
        return self._served[name]


def names_of(given: Sequence[str]) -> dict[str, Path]:
    """Return the artefacts of a command line by name, ``PATH`` or ``NAME=PATH``.

    Raises:
        InputError: Two have one name, or a name cannot be one.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals:
            name, path = "", text
        folder = Path(path).resolve()
        own = folder.parent.name if folder.name == ARTEFACT else folder.name
        name = name or own
        if NAME.fullmatch(name) is None:
            raise InputError(
                f"'{text}': a name has letters, digits, '.', '_' and '-'; give "
                f"NAME={path}"
            )
        if name in found:
            raise InputError(
                f"two artefacts are called '{name}'; give one of them as NAME={path}"
            )
        found[name] = Path(path)
    return found


def load_served(name: str, path: Path, *, device: str = "cpu") -> Served:
    """Return an artefact that answers.

    Args:
        name: What requests call it.
        path: Of the artefact, or of the run that has it.
        device: Where the model computes.

    Raises:
        InputError: There is no artefact, or it is damaged; the file is named.
    """
    folder = artefact_folder(path)
    rec = load(folder, device=device)
    return Served(
        name=name,
        folder=folder,
        record=read_json(folder / RECORD),
        digest=file_digest(folder / MANIFEST),
        rec=rec,
    )
