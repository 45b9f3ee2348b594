"""The page to look with, at ``/``: the static files of ``page/`` beside this module."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"
HEADERS = {
    # nothing from elsewhere, no script or style inside of the page; a blob is a
    # picture that was asked for with a key
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # another version of the package may serve another page: ask each time
    "Cache-Control": "no-cache",
}


class Guarded(StaticFiles):
    """Static files that load nothing from elsewhere."""

    async def get_response(
        self, path: str, scope: MutableMapping[str, Any]
    ) -> Response:
        """Return a file with the headers that keep the page to itself."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def add_page(app: FastAPI) -> None:
    """Let an app show the page."""
    app.mount("/", Guarded(directory=PAGE, html=True), name="page")
