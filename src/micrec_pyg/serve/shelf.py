"""The loaded artefacts, by name."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micrec_pyg.inference.artefact import artefact_folder
from micrec_pyg.inference.domains import domain_of
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.runs.artefact import ARTEFACT, RECORD
from micrec_pyg.runs.files import read_json
from micrec_pyg.schema import InputError
from micrec_pyg.serve.additions import Additions, forget, replay, warm
from micrec_pyg.serve.errors import FieldError
from micrec_pyg.serve.journal import FILE, Journal
from micrec_pyg.serve.spaces import fitted, spaces_of
from micrec_pyg.storage.digests import file_digest
from micrec_pyg.storage.seals import MANIFEST

logger = logging.getLogger(__name__)

WAYS_OUT = (
    "put an artefact there that has it and fits it; or let the artefact before answer "
    "and send it to POST /v1/remove, which takes it out of the journal; or start with "
    "another --state, without anything that was added"
)
"""What an operator can do where additions do not fit an artefact."""
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(eq=False)
class Served:
    """An artefact that answers. A field changes when another artefact is loaded."""

    name: str
    path: Path
    """As it was given: of the artefact, or of the run that has it."""
    device: str
    record: Mapping[str, Any]
    """The content of ``artefact.json``."""
    digest: str
    """sha256 of the manifest, which has the digests of all files."""
    state: Path
    """Folder of the journal, whether there is one or not."""
    rec: Recommender
    """Is another one after an addition: a question sees all of it or nothing."""
    journal: Journal | None = None
    """What was added; None where nothing ever was and nothing is taken."""
    writable: bool = False

    def domain(self, given: str | None, *, field: str = "domain") -> str:
        """Return the domain that is meant by a field of a request.

        Raises:
            FieldError: It is unknown, or missing where there are several.
        """
        try:
            return domain_of(self.rec.domains, given)
        except InputError as error:
            raise FieldError(field, str(error)) from error


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


def load_served(
    name: str,
    path: Path,
    *,
    device: str = "cpu",
    state: Path | None = None,
    writable: bool = False,
    carry: bool = False,
) -> Served:
    """Return an artefact that answers, with what was added to it.

    Args:
        name: What requests call it.
        path: Of the artefact, or of the run that has it.
        device: Where the model computes.
        state: Folder of the journal; None: ``<artefact>.state`` beside it.
        writable: Whether additions are taken; no other process may do so.
        carry: Whether a journal of another artefact is taken over.

    Raises:
        InputError: There is no artefact, a file of it or of the journal is damaged,
            another process takes additions, or the journal is of another artefact.
    """
    served = _load(name, path, device, state)
    journal = journal_in(served.state, served.digest, writable=writable)
    if journal is None:
        warm(served.rec)
        return served
    with ExitStack() as undo:
        undo.callback(journal.close)
        additions = journal.read()
        if journal.digest != served.digest:
            if not (carry or additions.empty):
                raise InputError(
                    f"{journal.path} holds additions to artefact "
                    f"{journal.digest[:12]}, and {path} is {served.digest[:12]}; give "
                    "--carry to add them to this one, or another --state"
                )
        tell_again(served, journal, additions, writable=writable)
        undo.pop_all()
    served.journal, served.writable = journal, writable
    return served


def reloaded(served: Served) -> Served:
    """Return the artefact that lies at the same place now, without what was added.

    Raises:
        InputError: There is none, or a file of it is damaged.
    """
    logger.info("%s: loading %s again", served.name, served.path)
    return _load(served.name, served.path, served.device, served.state)


def tell_again(
    served: Served, journal: Journal, additions: Additions, *, writable: bool
) -> None:
    """Add to an artefact what a journal holds, and prepare the first answers.

    Args:
        served: Of which the recommender is changed.
        journal: Where the additions are.
        additions: What was read there.
        writable: Whether they belong to this artefact from now on.

    Raises:
        InputError: It does not fit the artefact; the journal and ways out are named.
    """
    rec = served.rec
    try:
        forget(rec, additions)
        spaces = spaces_of(rec, additions.salt)
        additions, anew = fitted(rec, additions, served.digest)
        replay(rec, additions)
    except InputError as error:
        raise InputError(
            f"{journal.path} does not fit {served.path}, artefact "
            f"{served.digest[:12]}: {error}; {WAYS_OUT}"
        ) from error
    warm(rec)
    if writable:
        journal.bind(served.digest, spaces, anew)


def journal_in(folder: Path, digest: str, *, writable: bool) -> Journal | None:
    """Return the journal of a folder; None where there is none and none is made.

    Raises:
        InputError: Another process takes additions, or the journal is damaged.
    """
    if not (writable or (folder / FILE).exists()):
        return None
    return Journal(folder, digest, writable=writable)


def _load(name: str, path: Path, device: str, state: Path | None) -> Served:
    folder = artefact_folder(path)
    return Served(
        name=name,
        path=path,
        device=device,
        record=read_json(folder / RECORD),
        digest=file_digest(folder / MANIFEST),
        state=state or _beside(folder),
        rec=load(folder, device=device),
    )


def _beside(folder: Path) -> Path:
    """Return where the additions to an artefact are kept by default."""
    whole = folder.resolve()
    return whole.with_name(f"{whole.name}.state")
