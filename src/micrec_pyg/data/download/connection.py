"""One file over the network: resumed, tried again, and told what went wrong."""

import http.client
import logging
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

from micrec_pyg.schema import InputError

log = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT_S = 30.0
"""How long a server may send nothing."""
RETRIES = 4
"""Attempts in a row that may fail without one new byte."""
WAIT_S = 1.0
"""Pause before the first of them; each further pause is twice as long."""
_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""HTTP codes that may go away by themselves."""
_RANGE_IS_WRONG = 416
_HEADERS = {"User-Agent": "micrec-pyg"}
_NO_ANSWER = (urllib.error.URLError, http.client.HTTPException, OSError, ValueError)
"""What a request raises; ValueError where an address is none."""
_DATA = (
    b"\x1f\x8b",
    b"PK",
    b"{",
    b"[",
    b"\xff\xd8",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"BM",
)
"""First bytes of compressed files, JSON and images."""


class TransferError(InputError):
    """A file cannot be had; ``permanent`` if asking again will not help."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        """Keep the message and whether another attempt is worth while."""
        super().__init__(message)
        self.permanent = permanent


def validator_file(part: Path) -> Path:
    """Return where the server's mark of the version in ``part`` is kept."""
    return part.with_name(f"{part.name}.version")


def discard(part: Path) -> None:
    """Remove what was fetched so far."""
    part.unlink(missing_ok=True)
    validator_file(part).unlink(missing_ok=True)


def transfer(url: str, part: Path, *, limit: int | None = None) -> None:
    """Fetch what ``part`` lacks of a file, again and again until it is whole.

    Interrupted connections go on where they stopped; where the server names a version
    (ETag or Last-Modified) and has another one meanwhile, the file begins anew. A web
    page is refused: it stands where a server wants a login, or has no such file.

    Args:
        url: address (http, https or file).
        part: where the bytes go; complete when this returns.
        limit: most bytes that are accepted; None accepts any number.

    Raises:
        TransferError: the server refuses, or attempts fail in a row.
        InputError: there is no room.
    """
    best, failures = _size(part), 0
    while True:
        try:
            return _attempt(url, part, limit)
        except TransferError as error:
            if error.permanent or not url.startswith("http"):
                raise
            failures = 0 if _size(part) > best else failures
            best = max(best, _size(part))
            failures += 1
            if failures > RETRIES:
                raise
            pause = WAIT_S * 2 ** (failures - 1)
            log.warning("%s; next attempt in %.3g s", error, pause)
            time.sleep(pause)


def remote_size(url: str) -> int | None:
    """Return the length of a file in bytes, None where the server does not say.

    Raises:
        TransferError: there is no such file, or no connection.
    """
    request = _request(url, "HEAD")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            length = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                raise _refused(url, error) from error
        return None  # a server may refuse HEAD and yet send the file
    except _NO_ANSWER as error:
        raise _refused(url, error) from error
    return int(length) if length is not None and length.isdecimal() else None


def _attempt(url: str, part: Path, limit: int | None) -> None:
    """Append to a partial file what it lacks, or start it anew."""
    done = _size(part)
    request = _request(url, "GET")
    version = validator_file(part)
    if done:
        request.add_header("Range", f"bytes={done}-")
        if version.exists():
            request.add_header("If-Range", version.read_text())
    log.info("fetching %s, %s bytes are there", url, done)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            _receive(url, response, part, limit)
    except urllib.error.HTTPError as error:
        with error:
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
        if error.code == _RANGE_IS_WRONG and done:
            if total == str(done):  # it was whole already
                return
            discard(part)
            message = f"{url}: another file than the one begun before"
            raise TransferError(message, permanent=False) from error
        raise _refused(url, error) from error
    except InputError:  # a ValueError, too, but one that says all
        raise
    except _NO_ANSWER as error:
        raise _refused(url, error) from error


def _request(url: str, method: str) -> urllib.request.Request:
    try:
        return urllib.request.Request(url, method=method, headers=_HEADERS)
    except ValueError as error:
        raise _refused(url, error) from error


def _receive(url: str, response: Any, part: Path, limit: int | None) -> None:
    """Write a response behind what is there, or over it."""
    # only 206 honours a range; anything else sends the file from its start
    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
    start = _size(part) if resumed else 0
    place = response.headers.get("Content-Range")
    if resumed and place and not place.startswith(f"bytes {start}-"):
        discard(part)
        raise TransferError(f"{url}: sent {place}, not the rest", permanent=False)
    length = response.headers.get("Content-Length") or ""
    total = start + int(length) if length.isdecimal() else None
    mark = response.headers.get("ETag", "W/")
    if mark.startswith("W/"):  # a weak mark says nothing about single bytes
        mark = response.headers.get("Last-Modified", "")
    if resumed:
        _check_version(url, part, mark)
    chunk = response.read1(CHUNK)
    if not start:
        _refuse_page(url, response.headers.get("Content-Type") or "", chunk)
    with _file(part, resumed, mark) as file:
        got = start
        while chunk:
            got += len(chunk)
            if limit is not None and max(got, total or 0) > limit:
                message = f"{url}: more than {limit:,} bytes"
                raise TransferError(message, permanent=True)
            _write(file, chunk, part)
            chunk = response.read1(CHUNK)
    if total is not None and got < total:
        raise TransferError(
            f"{url}: the connection ended after {got:,} of {total:,} bytes; "
            "run the same command again to go on from there",
            permanent=False,
        )


def _check_version(url: str, part: Path, mark: str) -> None:
    """Refuse the rest of another version; some servers send it all the same."""
    version = validator_file(part)
    if version.exists() and mark and version.read_text() != mark:
        discard(part)
        message = f"{url}: another version than the one begun before; it begins anew"
        raise TransferError(message, permanent=False)


def _refuse_page(url: str, kind: str, head: bytes) -> None:
    """Refuse a web page or an error in XML, by its type and its first bytes."""
    marked = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    page = kind.partition(";")[0].strip().lower() == "text/html"
    # servers call data html, too, which their first bytes disprove
    if marked or (page and not head.startswith(_DATA)):
        raise TransferError(
            f"{url}: the server sent a web page and not the file; open the address in "
            "a browser to see what it asks for",
            permanent=True,
        )


def _file(part: Path, resumed: bool, mark: str) -> BinaryIO:
    """Return the open partial file, and keep the mark of its version."""
    try:
        validator_file(part).unlink(missing_ok=True)
        file = part.open("ab" if resumed else "wb")
        if mark:
            validator_file(part).write_text(mark)
    except OSError as error:
        raise _no_room(part, error) from error
    return file


def _write(file: BinaryIO, chunk: bytes, part: Path) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise _no_room(part, error) from error


def _no_room(part: Path, error: OSError) -> InputError:
    """Return a refusal that says nothing about the file itself."""
    return InputError(
        f"{part}: cannot be written ({error.strerror}); make room or choose another "
        "folder, then run the same command again"
    )


def _refused(url: str, error: Exception) -> TransferError:
    """Return what the user can do about a failed request."""
    code = error.code if isinstance(error, urllib.error.HTTPError) else None
    bad = isinstance(error, ValueError | http.client.InvalidURL)
    return TransferError(
        f"{url}: cannot be fetched ({error}); "
        "check the address and the network, then run the same command again",
        permanent=bad or (code is not None and code not in _PASSING),
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
