"""Small pictures of items, for people who look at answers; no model reads them."""

import io
import logging
from functools import partial
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.images import ImageError, open_image, upright
from micrec_pyg.storage import writing
from micrec_pyg.storage.seals import kept_folder

logger = logging.getLogger(__name__)

WIDTH, HEIGHT = 160, 240
"""Most pixels; the other side follows, and a smaller image keeps its size."""
QUALITY = 80
MAX_BYTES = 64 * 2**20
"""Of one domain, some 15,000 pictures: they are in memory wherever answers are."""
SCHEMA = {"item": pl.Int64, "jpeg": pl.Binary}
"""The place of an item in its vocabulary, and its picture."""
_VERSION = 1  # raise it when a change here changes bytes
_FILE = "thumbnails.parquet"


def write_thumbnails(
    path: Path, images: pl.Series, *, name: str, digest: str, cache_dir: str | None
) -> None:
    """Write the pictures of a domain's items as a table: item, jpeg.

    Args:
        path: The file.
        images: By item, the path of its image; null where there is none.
        name: Of the domain, for the log.
        digest: Of the domain's data; runs with the same one share the pictures.
        cache_dir: Folder of what runs share; None shares nothing.
    """
    if cache_dir is None:
        writing.write_parquet(path, _table(images, name))
        return
    kept = Path(cache_dir) / f"thumbnails-{_VERSION}-{digest[:32]}"
    kept_folder(kept, partial(_fill, images=images, name=name))
    with writing.whole(path) as part:
        part.write_bytes((kept / _FILE).read_bytes())


def _fill(folder: Path, images: pl.Series, name: str) -> None:
    writing.write_parquet(folder / _FILE, _table(images, name))


def _table(images: pl.Series, name: str) -> pl.DataFrame:
    """Return item and jpeg; say how many items stay without a picture, and why."""
    items, found, unreadable, total = [], [], 0, 0
    places = images.is_not_null().arg_true().to_list()
    for item in places:
        jpeg = thumbnail(images[item])
        if jpeg is None:
            unreadable += 1
        elif total + len(jpeg) > MAX_BYTES:
            break
        else:
            items.append(item)
            found.append(jpeg)
            total += len(jpeg)
    _tell(name, total, len(items), unreadable, len(places))
    return pl.DataFrame({"item": items, "jpeg": found}, schema=SCHEMA)


def _tell(name: str, total: int, made: int, unreadable: int, given: int) -> None:
    size = total / 2**20
    logger.info("domain '%s': %d pictures of items, %.1f MB", name, made, size)
    left = given - made - unreadable
    if unreadable:
        logger.warning(
            "domain '%s': %d of %d images cannot be read; these items have no picture",
            name,
            unreadable,
            given,
        )
    if left:
        logger.warning(
            "domain '%s': pictures stop at %d MB; %d items have none",
            name,
            MAX_BYTES / 2**20,
            left,
        )


def thumbnail(path: str) -> bytes | None:
    """Return an image file as a small JPEG; None if it cannot be read."""
    try:
        with open_image(path) as opened:
            # a JPEG is decoded in about the size that is needed
            opened.draft("RGB", (2 * WIDTH, 2 * HEIGHT))
            small = upright(opened)
            small.thumbnail((WIDTH, HEIGHT))
            # what cameras write beside the pixels stays behind
            small.info.clear()
            content = io.BytesIO()
            small.save(content, "JPEG", quality=QUALITY, optimize=True)
    except ImageError:
        return None
    return content.getvalue()
