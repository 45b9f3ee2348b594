"""Amazon Reviews 2014, 2018 and 2023 as catalogues, from their raw files.

Raw files are converted once into the own-catalogue layout (``docs/amazon.md``) and
read by ``tables`` from then on.
"""

import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.reader import tables
from micrec_pyg.data.download.fetch import verified_sha256
from micrec_pyg.data.download.images import fetch_images as fetch_item_images
from micrec_pyg.data.files.tables import read_table
from micrec_pyg.data.files.writing import write_folder
from micrec_pyg.data.sources.amazon.items import IMAGE_LIST, write_items
from micrec_pyg.data.sources.amazon.layout import (
    check_release,
    metadata_layout,
    reviews_layout,
)
from micrec_pyg.data.sources.amazon.raw_files import RawFiles, Source
from micrec_pyg.data.sources.amazon.reviews import write_interactions
from micrec_pyg.schema import Catalogue

log = logging.getLogger(__name__)

CONVERSION = 2
"""Raised whenever the converted files change, so that old ones are not used."""
COUNTS = "counts.json"


def amazon(
    *,
    root: str,
    path: str | None,
    base_url: str,
    release: str,
    pair: str | Sequence[str] | None,
    pairs: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str],
    source: str | None,
    metadata: bool,
    sha256: Mapping[str, str],
    order: str | None,
    unrated_items: bool,
    fetch_images: bool,
    image_workers: int,
    text_fields: Sequence[str] | None,
    text_sep: str,
    rating_min: int | float | None,
    duplicates: str,
    filters: Mapping[str, object] | None,
) -> dict[str, Catalogue]:
    """Return the domains of an Amazon release, downloaded and converted if needed.

    Users with the same id in two categories are one person. Times are Unix seconds.

    Args:
        root: data folder; conversions lie in ``<root>/processed``.
        path: folder with the raw files; None downloads what is missing.
        base_url: address that the names of ``files`` are appended to.
        release: ``2014``, ``2018`` or ``2023``; the content must agree.
        pair: a name of ``pairs``, or a list of categories.
        pairs: {name: {domain: category}}.
        files: {kind: name with ``{category}``}, one kind being ``metadata``.
        source: kind of reviews, see ``amazon_files.Source``.
        metadata: whether to read text and addresses of images.
        sha256: {name: checksum} of files where one is known.
        order: ``user_first`` or ``item_first`` where a ratings file does not show it.
        unrated_items: whether items that nobody rated belong to the catalogue.
        fetch_images: whether to fetch item images that are not there yet.
        image_workers: how many images are fetched at once.
        text_fields: of ``amazon_items.TEXT_FIELDS``.
        text_sep: see ``tables``, as for all further arguments.
        rating_min: see ``tables``.
        duplicates: see ``tables``.
        filters: see ``tables``.

    Raises:
        InputError: files cannot be had or read, or the options do not fit.
    """
    wanted = Source(
        root=root,
        path=path,
        base_url=base_url,
        release=str(release),
        pair=pair,
        pairs=pairs,
        files=files,
        source=source,
        metadata=metadata,
        sha256=sha256,
    )
    raw = wanted.raw_files()
    digests = {domain: _digests(wanted, each) for domain, each in raw.items()}
    store = {d: _images(wanted, name) for d, name in wanted.categories().items()}
    folder = _converted(wanted, raw, digests, store, (order, unrated_items))
    if fetch_images and metadata:
        _fetch_images(folder, store, image_workers)
    catalogues = tables(
        path=str(folder),
        domains=list(raw),
        columns=None,
        text_fields=text_fields if metadata else [],
        text_sep=text_sep,
        rating_min=rating_min,
        duplicates=duplicates,
        filters=filters,
        links=None,
        split_by=None,
    )
    return {
        name: _with_origin(each, folder / name, digests[name])
        for name, each in catalogues.items()
    }


def _digests(wanted: Source, raw: RawFiles) -> dict[str, str]:
    """Return the checked sha256 of the raw files of one domain, by name."""
    paths = [raw.interactions, *([raw.metadata] if raw.metadata else [])]
    log.info("reading the checksums of %s", ", ".join(path.name for path in paths))
    return {path.name: verified_sha256(path, wanted.pinned(path)) for path in paths}


def _converted(
    wanted: Source,
    raw: Mapping[str, RawFiles],
    digests: Mapping[str, Mapping[str, str]],
    store: Mapping[str, Path],
    options: tuple[str | None, bool],
) -> Path:
    """Return the folder of the data set in the own-catalogue layout, made if needed."""
    places = {domain: str(images) for domain, images in store.items()}
    content = [CONVERSION, wanted.release, digests, places, options]
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    name = f"amazon{wanted.release}-{'_'.join(raw)}"[:80]
    folder = Path(wanted.root).expanduser() / "processed" / f"{name}-{key[:16]}"
    if not folder.is_dir():
        log.info("converting the raw files, once: %s", folder)
        convert = functools.partial(_convert, wanted.release, raw, store, options)
        write_folder(folder, convert)
    return folder


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
    items = pl.scan_parquet(table).select(pl.col("item").unique())
    return frozenset(items.collect(engine="streaming")["item"])


def _images(wanted: Source, category: str) -> Path:
    """Return the folder of a category's images, beside its raw files."""
    return wanted.folder.resolve() / "images" / category


def _with_origin(
    catalogue: Catalogue, folder: Path, digests: Mapping[str, str]
) -> Catalogue:
    """Return a catalogue that also tells about the raw files and their conversion."""
    counts = json.loads((folder / COUNTS).read_text())
    found = {reason: count for reason, count in counts.items() if count}
    log.info(
        "domain %s: left out of the raw files: %s", folder.name, found or "nothing"
    )
    return dataclasses.replace(
        catalogue,
        dropped={**counts, **catalogue.dropped},
        sources={**digests, **catalogue.sources},
    )
