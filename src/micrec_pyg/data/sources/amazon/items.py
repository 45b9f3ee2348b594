"""Amazon item metadata of any size into an items table and a list of image addresses.

Metadata are read line by line: those of 2014 are Python literals, and the same field
is a text here, a list there and absent elsewhere, so that no columnar parser takes
them.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.files.line_blocks import line_blocks
from micrec_pyg.data.files.problems import Problem
from micrec_pyg.data.files.writing import write_tsv
from micrec_pyg.data.sources.amazon.layout import Layout, parser
from micrec_pyg.schema import InputError

TEXT_FIELDS = ("title", "brand", "categories", "description", "features", "price")
"""Columns of the items table, in the order in which they make an item's text."""
CATEGORY_SEP = "|"
IMAGE_LIST = "image_urls.tsv"
MOST_DROPPED = 0.1
"""Share of lines without an id from which it is the file that is wrong."""
COUNTS = (
    "metadata_without_id",
    "metadata_of_unrated_items",
    "metadata_repeated",
    "titles_that_are_page_code",
    "prices_not_understood",
    "image_addresses_not_usable",
)

_LINES = COUNTS[:3]
"""Those that count whole lines."""
_SCHEMA = dict.fromkeys(("item", *TEXT_FIELDS), pl.String())
_TAG = re.compile(r"<[a-zA-Z/!][^>]*>")
_PAGE_CODE = re.compile(r"getTime\(|var aPageStart")
_PRICE = re.compile(r"(from )?\$?\d[\d,]*(\.\d+)?( ?- ?\$?\d[\d,]*(\.\d+)?)?")
_ADDRESS = re.compile(r"https?://\S+")
_NO_IMAGE = re.compile(r"no-img|no-image")


def write_items(
    source: Path, layout: Layout, folder: Path, *, wanted: Container[str] | None
) -> dict[str, int]:
    """Return how much of the metadata was left out, by reason (``COUNTS``).

    Writes ``items.parquet`` (item and ``TEXT_FIELDS``, null where absent) and
    ``image_urls.tsv`` (item, url). Of repeated items the first is kept, one without a
    usable id is left out.

    Args:
        source: metadata, gzip or plain.
        layout: of that file.
        folder: where the tables belong.
        wanted: ids of the items to keep; None keeps all.

    Raises:
        InputError: a line cannot be read, or more than ``MOST_DROPPED`` of them have
            no usable id.
    """
    import pyarrow.parquet as pq

    counts = Counter(dict.fromkeys(COUNTS, 0))
    seen: set[str] = set()
    unusable: list[InputError] = []
    addresses: list[tuple[str, str]] = []
    schema = pl.DataFrame(schema=_SCHEMA).to_arrow().schema
    with pq.ParquetWriter(folder / "items.parquet", schema) as writer:
        for first_line, block in line_blocks(source):
            rows = []
            for item, raw in _objects(source, layout, first_line, block, unusable):
                if wanted is not None and item not in wanted:
                    counts["metadata_of_unrated_items"] += 1
                elif item in seen:
                    counts["metadata_repeated"] += 1
                else:
                    seen.add(item)
                    rows.append({"item": item, **_fields(raw, counts)})
                    addresses += [(item, url) for url in _image_address(raw, counts)]
            frame = pl.DataFrame(rows, schema=_SCHEMA)
            writer.write_table(frame.to_arrow().cast(schema))
    counts["metadata_without_id"] = len(unusable)
    if len(unusable) > MOST_DROPPED * (sum(counts[n] for n in _LINES) + len(seen)):
        raise unusable[0]
    table = pl.DataFrame(
        addresses, schema={"item": pl.String(), "url": pl.String()}, orient="row"
    )
    write_tsv(table, folder / IMAGE_LIST)
    return dict(counts)


def _objects(
    path: Path,
    layout: Layout,
    first_line: int,
    block: bytes,
    unusable: list[InputError],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the id and the fields of every item of a block of lines.

    Lines without a usable id are added to ``unusable`` as what is wrong with them.
    """
    read: Callable[[str], Any] = parser(layout.style)
    kind = "JSON object" if layout.style == "json" else "Python literal of a dict"
    key = layout.columns[0]
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        if not line.strip():
            continue
        try:
            raw = read(line.decode().strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            fault = f"needed: one {kind} ({error})"
            raise _refusal(path, number, line, fault) from error
        if not isinstance(raw, dict):
            raise _refusal(path, number, line, f"needed: one {kind}")
        item = raw.get(key)
        if not isinstance(item, str) or not re.fullmatch(r"[\w#.\-]+", item):
            fault = f"needed: an id under the key {key}, not {item!r}"
            unusable.append(_refusal(path, number, line, fault))
            continue
        yield item, raw


def _refusal(path: Path, number: int, line: bytes, fault: str) -> InputError:
    shown = line[:80].decode(errors="replace")
    mend = "mend or delete the line, or fetch the file again"
    place = f"line {number}"
    return InputError(str(Problem(path, f"got {shown!r}, {fault}", mend, place)))


def _fields(raw: Mapping[str, Any], counts: Counter[str]) -> dict[str, str | None]:
    """Return the text fields of one item of any release."""
    title = _text(raw.get("title"))
    if title and _PAGE_CODE.search(title):
        counts["titles_that_are_page_code"] += 1
        title = None
    names = [_text(name) for name in _categories(raw)]
    unique = dict.fromkeys(name for name in names if name)
    return {
        "title": title,
        "brand": _text(raw.get("brand") or raw.get("store")),
        "categories": CATEGORY_SEP.join(unique) or None,
        "description": _text(raw.get("description")),
        "features": _text(raw.get("features") or raw.get("feature")),
        "price": _price(raw.get("price"), counts),
    }


def _categories(raw: Mapping[str, Any]) -> Sequence[Any]:
    """Return the names of an item's categories, from the general to the special."""
    found = raw.get("categories") or raw.get("category")
    if not found:
        found = raw.get("main_category") or raw.get("main_cat")
    if not isinstance(found, list):
        return [found]
    # 2014 has a list of paths, the others have one path
    return [n for path in found for n in (path if isinstance(path, list) else [path])]


def _text(value: object) -> str | None:
    """Return plain text in one line: no tags, no entities; None if there is none."""
    parts = value if isinstance(value, list) else [value]
    words = " ".join(str(part) for part in parts if isinstance(part, str | int | float))
    plain = html.unescape(_TAG.sub(" ", words))
    return " ".join(plain.split()) or None


def _price(value: object, counts: Counter[str]) -> str | None:
    """Return a price as ``$4.99``, or a range of two; None if it is none."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"${value:.2f}"
    if isinstance(value, str) and _PRICE.fullmatch(value.strip()):
        return value.strip()
    counts["prices_not_understood"] += 1
    return None


def _image_address(raw: Mapping[str, Any], counts: Counter[str]) -> list[str]:
    """Return the address of the item's main image, or nothing."""
    found = raw.get("imUrl") or raw.get("imageURLHighRes") or raw.get("imageURL")
    if isinstance(images := raw.get("images"), list):
        found = _main_image([image for image in images if isinstance(image, dict)])
    if isinstance(found, list):
        found = next((url for url in found if url), None)
    if not found:
        return []
    if not isinstance(found, str) or not _ADDRESS.fullmatch(found.strip()):
        counts["image_addresses_not_usable"] += 1
        return []
    # a drawing that says "no image available" is no image of the item
    return [] if _NO_IMAGE.search(found) else [found.strip()]


def _main_image(images: Sequence[Mapping[str, Any]]) -> Any:
    """Return the address of the main image of 2023, about 500 pixels wide."""
    main = [image for image in images if image.get("variant") == "MAIN"]
    for image in [*main, *images]:
        for size in ("large", "hi_res", "thumb"):
            if image.get(size):
                return image[size]
    return None
