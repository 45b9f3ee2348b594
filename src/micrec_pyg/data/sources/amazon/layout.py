"""Which release an Amazon file belongs to and what its columns are, from its content.

The ratings files of 2014 and 2018 have no header and their first two columns swapped;
review and metadata files differ in their keys. Names of files prove nothing.
"""

import ast
import csv
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micrec_pyg.data.files.line_blocks import line_blocks
from micrec_pyg.schema import InputError

SAMPLE_BYTES = 2**20
SHOWN = 3
FEW = 0.1
"""Share of times of the other unit that may be mistakes."""
FIELDS = ("user", "item", "rating", "timestamp")
ORDERS: Mapping[str, tuple[str, ...]] = {
    "user_first": FIELDS,
    "item_first": ("item", "user", "rating", "timestamp"),
}
MILLISECONDS = 10**11
"""Larger timestamps are milliseconds: as seconds this is the year 5138."""

# An item is an ASIN or the ISBN-10 of a book; users begin with A (or, old, #oc-R).
_ITEM = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_USER = re.compile(r"A[0-9A-Z]{8,}|#oc-R[0-9A-Z]+")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "user": ("user_id", "reviewerID"),
    "item": ("parent_asin", "asin"),
    "rating": ("rating", "overall"),
    "timestamp": ("timestamp", "unixReviewTime"),
}
"""Keys of reviews and names in a header, the 2023 ones first."""
_METADATA: Mapping[str, frozenset[str]] = {
    "2014": frozenset({"imUrl", "salesRank", "related", "categories"}),
    "2018": frozenset(
        {"category", "feature", "also_buy", "also_view", "main_cat", "imageURL"}
        | {"imageURLHighRes", "tech1", "similar_item", "rank"}
    ),
}
"""Keys that the metadata of one release alone have."""


@dataclass(frozen=True)
class Layout:
    """How the lines of one file are to be read."""

    releases: tuple[str, ...]
    """The releases it may belong to; some reviews of 2014 and 2018 look alike."""
    style: str
    """``csv``, ``json`` or ``python`` (a literal per line)."""
    columns: tuple[str, ...]
    """What each CSV column is, others empty; or the JSON keys in order of FIELDS."""
    header: bool
    milliseconds: bool
    """Whether timestamps are milliseconds instead of seconds."""


def reviews_layout(path: Path, *, order: str | None) -> Layout:
    """Return the layout of a file of ratings or reviews.

    Args:
        path: CSV or one object per line, gzip or plain.
        order: ``user_first`` or ``item_first`` where a CSV file without a header does
            not show it; None goes by its content.

    Raises:
        InputError: nothing is in the file, or what it holds is ambiguous; three rows
            are shown as they were parsed.
    """
    lines = _sample(path)
    if lines[0].lstrip().startswith("{"):
        return _keyed_reviews(path, lines)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row]
    known = {name for names in _NAMES.values() for name in names}
    if known & set(rows[0]):
        return _headed(path, rows)
    return _headless(path, rows, order)


def metadata_layout(path: Path) -> Layout:
    """Return the layout of a file of item metadata.

    Raises:
        InputError: it is empty, or belongs to no release that is known.
    """
    style, rows = _objects(path, _sample(path))
    keys = {key for row in rows for key in row}
    shown = [old for old, names in _METADATA.items() if keys & names]
    releases = shown or ["2014", "2018"]
    if "parent_asin" in keys:  # 2023 shares keys with both older releases
        releases = shown = ["2023"]
    if not keys & {"asin", "parent_asin"} or len(shown) > 1:
        raise _ambiguous(
            path,
            "is no item metadata of one release, 2014, 2018 or 2023",
            "needed: the key asin or parent_asin, and keys of one release",
            rows,
        )
    key = "parent_asin" if releases == ["2023"] else "asin"
    return Layout(tuple(releases), style, (key,), header=False, milliseconds=False)


def check_release(path: Path, layout: Layout, release: str) -> None:
    """Check that a file is of the release that was asked for.

    Raises:
        InputError: it is of another one.
    """
    if release not in layout.releases:
        found = " or ".join(layout.releases)
        raise InputError(
            f"{path}: its content is that of release {found}, wanted was {release}; "
            f"give data=amazon{layout.releases[0]}, or the file of {release}"
        )


def parser(style: str) -> Callable[[str], Any]:
    """Return what reads one line; both raise ValueError or SyntaxError on bad ones."""
    return json.loads if style == "json" else _literal


def _literal(line: str) -> Any:
    """Return the value of a Python literal; no code in it is ever run."""
    with warnings.catch_warnings():
        # texts hold backslashes that Python would rather have doubled
        warnings.simplefilter("ignore")
        return ast.literal_eval(line)


def _sample(path: Path) -> list[str]:
    """Return the first lines that are not blank."""
    for number, block in line_blocks(path, size=SAMPLE_BYTES):
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            line = number + block[: error.start].count(b"\n")
            raise InputError(
                f"{path}, line {line}: byte 0x{block[error.start]:02x} is not UTF-8 "
                "text; fetch the file again or save it as UTF-8"
            ) from error
        # not splitlines: a review may hold other characters that end a line
        if lines := [line for line in text.split("\n") if line.strip()]:
            return lines
    raise InputError(f"{path}: the file is empty; fetch it again")


def _headed(path: Path, rows: Sequence[Sequence[str]]) -> Layout:
    """Return the layout of a CSV file with names in its first row."""
    names = list(rows[0])
    columns = ["" for _ in names]
    for field, spellings in _NAMES.items():
        found = [name for name in spellings if name in names]
        if not found:
            raise InputError(
                f"{path}, line 1: the header has no column {' or '.join(spellings)}; "
                f"found: {', '.join(names)}"
            )
        columns[names.index(found[0])] = field
    if len(rows) == 1:
        raise InputError(f"{path}: there is a header but no row; fetch it again")
    old = "reviewerID" in names
    times = [row[columns.index("timestamp")] for row in rows[1:] if len(row) >= 4]
    return Layout(
        ("2014", "2018") if old else ("2023",),
        "csv",
        tuple(columns),
        header=True,
        milliseconds=_milliseconds(path, times, rows),
    )


def _headless(path: Path, rows: list[list[str]], order: str | None) -> Layout:
    """Return the layout of a CSV file whose columns show by their values alone."""
    full = [row for row in rows if len(row) == len(FIELDS)]
    if not full:
        raise _ambiguous(
            path, "is neither CSV nor JSON lines of Amazon reviews", _need(), rows
        )
    found = order
    if found is None:
        votes = {
            "user_first": sum(_pair(_USER, _ITEM, row) for row in full),
            "item_first": sum(_pair(_ITEM, _USER, row) for row in full),
        }
        sure = [name for name, count in votes.items() if 2 * count >= len(full)]
        if len(sure) != 1 or all(votes.values()):
            raise _ambiguous(
                path,
                "does not show which of its first two columns is the user",
                f"{_need()}; or say it with data.order=user_first or "
                "data.order=item_first",
                full,
            )
        found = sure[0]
    elif found not in ORDERS:
        raise InputError(f"data.order={found} is unknown; valid: {', '.join(ORDERS)}")
    milliseconds = _milliseconds(path, [row[3] for row in full], full)
    release = "2014" if found == "user_first" else "2018"
    releases: tuple[str, ...] = ("2023",) if milliseconds else (release,)
    if order is not None and not milliseconds:
        releases = ("2014", "2018")
    return Layout(
        releases, "csv", ORDERS[found], header=False, milliseconds=milliseconds
    )


def _keyed_reviews(path: Path, lines: Sequence[str]) -> Layout:
    """Return the layout of reviews that are one object per line."""
    style, rows = _objects(path, lines)
    keys = {key for row in rows for key in row}
    columns = []
    for spellings in _NAMES.values():
        found = [name for name in spellings if name in keys]
        if not found:
            raise _ambiguous(
                path,
                "holds no reviews of 2014, 2018 or 2023",
                f"needed: the key {' or '.join(spellings)}",
                rows,
            )
        columns.append(found[0])
    releases: tuple[str, ...] = ("2014", "2018")
    if columns[0] == "user_id":
        releases = ("2023",)
    elif keys & {"helpful"}:
        releases = ("2014",)
    elif keys & {"verified", "vote", "style"}:
        releases = ("2018",)
    times = [str(row.get(columns[3])) for row in rows]
    milliseconds = _milliseconds(path, times, rows)
    return Layout(releases, style, tuple(columns), False, milliseconds)


def _objects(path: Path, lines: Sequence[str]) -> tuple[str, list[dict[str, Any]]]:
    """Return the style of lines that hold an object each, and the objects."""
    try:
        json.loads(lines[0])
        style = "json"
    except (ValueError, RecursionError):
        style = "python"
    rows = []
    for line in lines:
        try:
            row = parser(style)(line.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue  # the reader names the line when it comes there
        if isinstance(row, dict):
            rows.append(row)
    if not rows:
        shown = [line[:100] for line in lines]
        need = "needed: one JSON object or one Python literal per line"
        raise _ambiguous(path, "holds no object that can be read", need, shown)
    return style, rows


def _milliseconds(path: Path, times: Sequence[str], rows: Sequence[Any]) -> bool:
    """Return whether timestamps are milliseconds, by their magnitude."""
    numbers = [float(time) for time in times if re.fullmatch(r"\d+(\.0*)?", time)]
    large = sum(number >= MILLISECONDS for number in numbers)
    # an impossible time here and there is dropped later
    if not numbers or FEW * len(numbers) < large < (1 - FEW) * len(numbers):
        raise _ambiguous(
            path,
            "does not show whether its times are seconds or milliseconds",
            "needed: Unix times of one magnitude",
            rows,
        )
    return large > len(numbers) / 2


def _pair(first: re.Pattern[str], second: re.Pattern[str], row: Sequence[str]) -> bool:
    return bool(first.fullmatch(row[0]) and second.fullmatch(row[1]))


def _need() -> str:
    return (
        "needed: user,item,rating,seconds (2014), item,user,rating,seconds (2018), or "
        "a header user_id,parent_asin,rating,timestamp (2023)"
    )


def _ambiguous(path: Path, fault: str, need: str, rows: Sequence[Any]) -> InputError:
    """Return the refusal of a file, with its first rows as they were parsed."""
    shown = " | ".join(str(row)[:200] for row in rows[:SHOWN])
    return InputError(f"{path} {fault}; {need}. First rows as parsed: {shown}")
