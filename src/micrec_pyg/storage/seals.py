"""Folders whose files are checked when they are read.

``manifest.json`` holds the sha256 of every file that counts, by its path inside the
folder. A file that is being changed has null there: after a kill it is the old one or
the new one, and is not checked until it is changed again.
"""

import functools
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from micrec_pyg.schema import DamagedFileError
from micrec_pyg.storage.digests import file_digest
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.lock import making
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.writing import whole, write_json

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SCHEMA = 1
"""Version of the manifest."""

Digests = dict[str, str | None]


def seal(folder: Path, names: Sequence[str] | None = None) -> None:
    """Write the manifest of a folder.

    Args:
        folder: What is sealed.
        names: Paths inside the folder; None takes every file there.
    """
    if names is None:
        files = [p for p in folder.rglob("*") if p.is_file()]
        names = [p.relative_to(folder).as_posix() for p in files]
    _write(folder, {n: _digest(folder / n) for n in sorted(names) if n != MANIFEST})


def check(folder: Path, names: Sequence[str] | None = None) -> None:
    """Check that the files of a sealed folder are what was written.

    A folder without a manifest, made by an earlier version, passes with a log line.

    Args:
        folder: What was sealed.
        names: Paths inside the folder; None takes all that were sealed.

    Raises:
        DamagedFileError: A file is missing, or is another one; the message names it.
        StorageError: A file must not be read.
    """
    digests = _read(folder)
    if digests is None:
        _say_unchecked(folder)
        return
    for name in digests if names is None else names:
        path = folder / name
        if name not in digests:
            raise DamagedFileError(f"{folder / MANIFEST} does not list {name}")
        if not path.is_file():
            raise DamagedFileError(f"{path} is missing")
        if digests[name] is None:
            logger.info("%s: a change was interrupted; it is not checked", path)
        elif digests[name] != _digest(path):
            raise DamagedFileError(
                f"{path} is not what was written (its sha256 is another than in "
                f"{MANIFEST})"
            )


@contextmanager
def remedy(advice: str) -> Iterator[None]:
    """Say what to do about a damaged file that cannot be made anew here.

    Args:
        advice: Ends the sentence, such as ``restore the file``.
    """
    try:
        yield
    except DamagedFileError as error:
        raise DamagedFileError(f"{error}; {advice}") from error


@contextmanager
def changing(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Let files of a sealed folder be changed; seal them again at the end.

    A folder without a manifest stays without one.

    Args:
        folder: What was sealed.
        names: Paths inside the folder.
    """
    digests = _read(folder)
    if digests is not None:
        digests |= dict.fromkeys(names)
        _write(folder, digests)
    yield
    if digests is not None:
        _write(folder, digests | {name: _digest(folder / name) for name in names})


def kept_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that can be made anew, unless it is there and undamaged.

    Args:
        folder: Where it belongs; a damaged one is dropped with a warning.
        fill: Gets an empty folder and writes the content.

    Raises:
        StorageError: The disk refuses.
    """
    remove_stale_parts(folder.parent)
    if _is_kept(folder):
        return
    with making(folder):
        if _is_kept(folder):  # another process made it meanwhile
            return
        with whole(folder) as part:
            part.mkdir()
            fill(part)
            seal(part)


def _is_kept(folder: Path) -> bool:
    """Return whether a folder is there and undamaged; drop a damaged one."""
    if not folder.exists():
        return False
    try:
        if not folder.is_dir():
            raise DamagedFileError(f"{folder} is a file, not a folder")
        check(folder)
    except DamagedFileError as error:
        drop_damaged(folder, error)
        return False
    return True


def drop_damaged(path: Path, error: DamagedFileError) -> None:
    """Remove a damaged file or folder that can be made anew; say so in the log."""
    logger.warning("%s; %s is dropped and made anew", error, path)
    with explained(path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@functools.cache
def _say_unchecked(folder: Path) -> None:
    """Say once that nothing shows whether a folder's files are damaged."""
    logger.info("%s has no %s: it is not checked", folder, MANIFEST)


def _digest(path: Path) -> str:
    with explained(path):
        return file_digest(path)


def _read(folder: Path) -> Digests | None:
    """Return the digests of a manifest, None where there is none."""
    path = folder / MANIFEST
    with explained(path):
        if path.is_dir():
            raise DamagedFileError(f"{path} is a folder, not a file")
        if not path.exists():
            return None
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DamagedFileError(f"{path} is damaged ({error})") from error
    digests = content.get("sha256") if isinstance(content, dict) else None
    if not isinstance(digests, dict):
        raise DamagedFileError(f"{path} is damaged (no digests are in it)")
    return digests


def _write(folder: Path, digests: Digests) -> None:
    write_json(folder / MANIFEST, {"schema": SCHEMA, "sha256": digests})
