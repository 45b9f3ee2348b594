"""Item images from the web: fetched side by side, resumed, the dead ones reported."""

import contextlib
import functools
import logging
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.download.connection import TransferError, discard, transfer
from micrec_pyg.data.download.fetch import alone, check_free_space
from micrec_pyg.data.files.images import ImageError, open_image, upright
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import put, whole

log = logging.getLogger(__name__)

REPORT = "dead.csv"
"""In the folder of the images: item, url, reason, permanent."""
LIMIT = 2**25
"""Most bytes that an image may have."""
ROOM = 2**16
"""Bytes on the disk reckoned per image, as no server is asked before."""
ROUND = 512
"""Images between two writings of the report."""
SUFFIX = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "GIF": ".gif",
}
"""Formats that are kept; those the catalogue reader takes."""
_ITEM = re.compile(r"(?!\.)[\w#.\-]+")
MAX_NAME = 240
"""Most bytes of an id that becomes the name of a file."""
_REPORT = {
    "item": pl.String,
    "url": pl.String,
    "reason": pl.String,
    "permanent": pl.Boolean,
}


@dataclass(frozen=True, eq=False)
class ImageReport:
    """What fetching the images of one domain came to."""

    there: int
    """Images that were there before."""
    fetched: int
    dead: pl.DataFrame
    """item, url, reason, permanent: all images that cannot be had or read."""

    def __str__(self) -> str:
        """Return the numbers in words, the dead ones by reason."""
        reasons = Counter(re.sub(r"\d{4,}", "N", r) for r in self.dead["reason"])
        shown = "; ".join(f"{n} x {reason}" for reason, n in reasons.most_common(5))
        return (
            f"{self.fetched:,} images fetched, {self.there:,} were there, "
            f"{self.dead.height:,} are dead{f' ({shown})' if shown else ''}"
        )


def fetch_images(urls: pl.DataFrame, folder: Path, *, workers: int) -> ImageReport:
    """Return a report after fetching every image that is not there yet.

    Images become ``<folder>/<item>.<ext>``, each only when whole and readable. What
    cannot be had is listed in ``dead.csv`` there; a further call asks again for those
    that are not ``permanent``. Delete the list to ask for all again.

    Args:
        urls: item (unique) and url, both strings.
        folder: where the images belong; made if needed.
        workers: how many are fetched at once.

    Raises:
        InputError: no room, or an impossible number of workers.
    """
    with alone(folder):
        return _fetch_images(urls, folder, workers)


def _fetch_images(urls: pl.DataFrame, folder: Path, workers: int) -> ImageReport:
    """Return a report after fetching, while no other process does."""
    if isinstance(workers, bool) or workers < 1:
        raise InputError(f"image_workers={workers}; needed: a whole number above 0")
    (folder / ".parts").mkdir(parents=True, exist_ok=True)
    have = {path.stem for path in folder.iterdir() if path.suffix in SUFFIX.values()}
    dead = _earlier(folder / REPORT).filter(
        pl.col("permanent") & ~pl.col("item").is_in(have)
    )
    # another address than the one that was dead is worth a try
    known = dead.join(urls, on=["item", "url"], how="semi")
    wanted = urls.join(known, on="item", how="anti").filter(~pl.col("item").is_in(have))
    check_free_space(folder, ROOM * wanted.height)
    log.info("%s: %s images to fetch", folder, f"{wanted.height:,}")
    fetched = 0
    fetch = functools.partial(_fetch, folder)
    with ThreadPoolExecutor(workers) as pool:
        try:
            for part in wanted.iter_slices(ROUND):
                rows = part.rows()
                reasons = list(pool.map(fetch, *zip(*rows, strict=True)))
                lost = _table(rows, reasons)
                fetched += part.height - lost.height
                known = pl.concat([known, lost])
                _write(known, folder / REPORT)
        finally:
            pool.shutdown(cancel_futures=True)
    with contextlib.suppress(OSError):  # beginnings stay for the next call
        (folder / ".parts").rmdir()
    report = ImageReport(urls.height - wanted.height - dead.height, fetched, known)
    log.info("%s: %s; the dead ones are in %s", folder, report, REPORT)
    return report


def _fetch(folder: Path, item: str, url: str) -> tuple[str, bool] | None:
    """Return why an image cannot be had and whether for good, None if it can."""
    if not url.startswith(("http://", "https://")):
        return "the address is not of the web", True
    # the longest name that a file of ours gets here is "<item>.version"
    if not _ITEM.fullmatch(item) or len(item.encode()) > MAX_NAME:
        return "the item's id is no name of a file", True
    part = folder / ".parts" / item
    try:
        transfer(url, part, limit=LIMIT)
    except TransferError as error:
        if error.permanent:
            discard(part)
        return str(error).removeprefix(f"{url}: ").split(";")[0], error.permanent
    suffix = _suffix(part)
    if suffix is None:
        discard(part)
        return "not a readable image (JPEG, PNG, WEBP, BMP or GIF)", True
    put(part, folder / f"{item}{suffix}")
    discard(part)
    return None


def _suffix(path: Path) -> str | None:
    """Return the ending that fits an image file, None where it cannot be read."""
    try:
        with open_image(path) as image:
            upright(image)  # to the last pixel: a file may be cut off
            return SUFFIX.get(image.format or "")
    except ImageError:
        return None


def _table(
    rows: Sequence[tuple[str, str]], reasons: Sequence[tuple[str, bool] | None]
) -> pl.DataFrame:
    """Return the lines of the report for the images that are dead."""
    lost = [
        (*row, *reason)
        for row, reason in zip(rows, reasons, strict=True)
        if reason is not None
    ]
    return pl.DataFrame(lost, schema=_REPORT, orient="row")


def _earlier(path: Path) -> pl.DataFrame:
    """Return the report of the last call, empty before the first one."""
    if not path.exists():
        return pl.DataFrame(schema=_REPORT)
    try:
        return pl.read_csv(path, schema=_REPORT, glob=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: not a report of ours; delete it") from error


def _write(report: pl.DataFrame, path: Path) -> None:
    """Replace the report in one step."""
    with whole(path) as part:
        report.write_csv(part)
