"""Who may ask and who may write: keys that a client sends with a request."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi.security import HTTPBearer
from starlette.requests import Request

from micrec_pyg.schema import InputError
from micrec_pyg.serve.errors import RefusedError
from micrec_pyg.storage.failures import explained

API, DOCUMENT = "/v1/", "/v1/openapi.json"
LEAST = 16
"""Characters of a key."""

told = HTTPBearer(auto_error=False, description="A key of --write-key-file.")
"""Tells the OpenAPI document of keys, and checks none."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys by what they open."""

    read: Sequence[str] = ()
    """Without one everybody who reaches the service may ask."""
    write: Sequence[str] = ()
    """Without one nobody may write; they open reading too."""


def keys_of(file: Path | None, variable: str | None) -> list[str]:
    """Return the keys of a file, one a line, else of an environment variable.

    Args:
        file: Lines that begin with # are left out.
        variable: The content of the variable, if it is set. Spaces and line ends
            around a key are no part of it, here and in a file.

    Raises:
        InputError: A key is too short, or the file has none.
    """
    if file is None:
        found = [variable.strip()] if variable else []
    else:
        with explained(file):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [line.strip() for line in lines if line.strip()[:1] not in ("", "#")]
        if not found:
            raise InputError(f"{file}: there is no key; write one into a line")
    if any(len(key) < LEAST for key in found):
        where = file or "a key of the environment"
        raise InputError(
            f"{where}: a key has fewer than {LEAST} characters; make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return found


def is_asked(path: str) -> bool:
    """Return whether a path works and may need a key; health and metrics do not."""
    return path.startswith(API) and path != DOCUMENT


def may_ask(request: Request) -> None:
    """Let a request pass that needs no key or has one; its head alone is read.

    Raises:
        RefusedError: A key is needed, and none that fits was sent.
    """
    keys: Keys = request.app.state.keys
    if keys.read and not _fits(request, [*keys.read, *keys.write]):
        raise _unknown()


async def may_write(request: Request) -> None:
    """Let a request pass that changes something.

    Raises:
        RefusedError: Nothing may be changed, or no key that fits was sent.
    """
    keys: Keys = request.app.state.keys
    if not keys.write:
        raise RefusedError(
            403, "writing is off; start micrec serve with --write-key-file"
        )
    if not _fits(request, keys.write):
        raise _unknown()


def _fits(request: Request, keys: Sequence[str]) -> bool:
    """Return whether a key is one of these; how long that takes tells nothing."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    sent = key.strip().encode() if scheme.lower() == "bearer" else b""
    return any([hmac.compare_digest(sent, key.encode()) for key in keys])


def _unknown() -> RefusedError:
    return RefusedError(
        401,
        "a key is missing or wrong; send the header Authorization: Bearer KEY",
        headers={"WWW-Authenticate": "Bearer"},
    )
