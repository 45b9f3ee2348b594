"""The page to look with, at ``/``: static files of ``page/`` beside this module."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"


def add_page(app: FastAPI) -> None:
    """Let an app show the page, if it is there."""
    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
