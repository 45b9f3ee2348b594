"""A page -> one HTML file that loads nothing."""

import base64
import hashlib
import json
import logging
import re
from functools import cache
from importlib.resources import files
from itertools import count
from pathlib import Path

import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from micrec_pyg import __version__
from micrec_pyg.report.html.blocks import Page
from micrec_pyg.storage.writing import write_text

logger = logging.getLogger(__name__)

LARGEST = 5 * 2**20
"""Bytes that a page should not exceed."""


def write_page(page: Page, path: Path) -> Path:
    """Return the path of the file that a page was written to, whole or not at all."""
    text = render(page)
    size = len(text.encode())
    if size > LARGEST:
        logger.warning(
            "%s has %.1f MiB; a page of fewer runs opens faster on a phone",
            path,
            size / 2**20,
        )
    write_text(path, text)
    return path


def render(page: Page) -> str:
    """Return a page as HTML.

    Its policy lets no script run but our own two, whatever a name contains, and lets
    nothing be loaded from anywhere.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    scripts = [_charts(), _read("page.js")]
    numbers = count()
    return environment.from_string(_read("page.html")).render(
        page=page,
        version=__version__,
        style=Markup(_read("page.css")),
        scripts=[Markup(text) for text in scripts],
        script_hashes=" ".join(map(_hash, scripts)),
        number=lambda: next(numbers),
        json=_json,
        breakable=_breakable,
    )


def _breakable(text: str) -> Markup:
    """Return a name that a narrow column may break behind its signs."""
    return Markup(re.sub("([_.=/])", r"\1<wbr>", str(escape(text))))


def _json(value: object) -> Markup:
    """Return JSON that can stand in a script element, whatever it contains."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


@cache
def _charts() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
        "\r", ""
    )


def _read(name: str) -> str:
    folder = files("micrec_pyg.report.html") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
