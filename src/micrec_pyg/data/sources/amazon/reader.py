"""Amazon Reviews 2014, 2018 and 2023 as catalogues, from their raw files.

Raw files are converted once into the own-catalogue layout (``docs/amazon.md``), which
is read from then on.
"""

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.download.fetch import verified_sha256
from micrec_pyg.data.download.images import fetch_images as fetch_item_images
from micrec_pyg.data.files.tables import read_table
from micrec_pyg.data.sources.amazon.items import IMAGE_LIST, write_items
from micrec_pyg.data.sources.amazon.layout import (
    check_release,
    metadata_layout,
    reviews_layout,
)
from micrec_pyg.data.sources.amazon.raw_files import AmazonFiles, RawFiles
from micrec_pyg.data.sources.amazon.reviews import write_interactions
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.source import OwnFormat, Source

log = logging.getLogger(__name__)

CONVERSION = 2
"""Raised whenever the converted files change, so that old ones are not used."""
COUNTS = "counts.json"


@dataclass(frozen=True, kw_only=True)
class Amazon(AmazonFiles, Source):
    """The domains of an Amazon release, downloaded and converted if needed.

    Users with the same id in two categories are one person. Times are Unix seconds. The
    texts of an item are those of ``items.TEXT_FIELDS``.
    """

    order: str | None
    """``user_first`` or ``item_first`` where a ratings file does not show it."""
    unrated_items: bool
    """Whether items that nobody rated belong to the catalogue."""
    fetch_images: bool
    """Whether to fetch item images that are not there yet."""
    image_workers: int
    """How many images are fetched at once."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the converted files of all domains of the pair.

        Raises:
            InputError: files cannot be had or read, or an option does not fit.
        """
        raw = self.raw_files()
        origin = {domain: self._digests(each) for domain, each in raw.items()}
        store = {
            # beside the raw files: all conversions of them share the images
            domain: self.folder.resolve() / "images" / category
            for domain, category in self.categories().items()
        }
        places = {domain: str(images) for domain, images in store.items()}
        options = (self.order, self.unrated_items)
        release = str(self.release)
        folder = convert_once(
            self.root,
            f"amazon{release}-{'_'.join(raw)}",
            [CONVERSION, release, origin, places, options],
            functools.partial(_convert, release, raw, store, options),
        )
        if self.fetch_images and self.metadata:
            _fetch_images(folder, store, self.image_workers)
        return OwnFormat(
            folder=folder,
            domains=list(raw),
            has_text=self.metadata,
            origin=origin,
            dropped={d: json.loads((folder / d / COUNTS).read_text()) for d in raw},
        )

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a folder without the raw files; without a folder they are fetched."""
        if self.path is not None:
            self.raw_files()

    def _digests(self, raw: RawFiles) -> dict[str, str]:
        """Return the checked sha256 of the raw files of one domain, by name."""
        paths = [raw.interactions, *([raw.metadata] if raw.metadata else [])]
        log.info("reading the checksums of %s", ", ".join(path.name for path in paths))
        return {path.name: verified_sha256(path, self.pinned(path)) for path in paths}


def _convert(
    release: str,
    raw: Mapping[str, RawFiles],
    store: Mapping[str, Path],
    options: tuple[str | None, bool],
    folder: Path,
) -> None:
    """Write every domain of a data set."""
    order, unrated = options
    # all layouts first: a wrong file shall be refused before hours of work
    layouts = {d: reviews_layout(r.interactions, order=order) for d, r in raw.items()}
    items = {d: metadata_layout(r.metadata) for d, r in raw.items() if r.metadata}
    for domain, each in raw.items():
        check_release(each.interactions, layouts[domain], release)
        if each.metadata:
            check_release(each.metadata, items[domain], release)
    for domain, each in raw.items():
        target = folder / domain
        target.mkdir()
        table = target / "interactions.parquet"
        reviews, dropped = write_interactions(each.interactions, layouts[domain], table)
        log.info("%s: %s reviews", domain, f"{reviews:,}")
        counts = {"impossible_reviews": dropped}
        if each.metadata:
            rated = None if unrated else _rated(table)
            counts |= write_items(each.metadata, items[domain], target, wanted=rated)
        (target / COUNTS).write_text(json.dumps(counts))
        # images come later and are shared by all conversions of the same files
        (target / "images").symlink_to(store[domain])


def _fetch_images(folder: Path, store: Mapping[str, Path], workers: int) -> None:
    """Fetch the images of every domain that are not in its store."""
    for domain, place in store.items():
        urls = read_table(folder / domain / IMAGE_LIST)
        assert urls is not None  # errors are raised
        fetch_item_images(urls.select("item", "url"), place, workers=workers)


def _rated(table: Path) -> frozenset[str]:
    """Return the ids of the items that have a review."""
    items = pl.scan_parquet(table, glob=False).select(pl.col("item").unique())
    return frozenset(items.collect(engine="streaming")["item"])
