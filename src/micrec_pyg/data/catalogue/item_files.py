"""Files of items in a domain's folder: ``<modality>/<item>.<ending>``, one per item."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.folder_names import (
    IMAGES,
    NO_UTF8,
    TAKEN,
    Reason,
    entries,
    image_folder,
    is_utf8,
    meant,
    name_unread,
    why_unread,
)
from micrec_pyg.data.catalogue.image_files import one_per_item, read_images
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.schema import IMAGE


def read_item_files(
    path: Path, read: Sequence[str], items: pl.Series | None, problems: Problems
) -> tuple[dict[str, pl.DataFrame], list[Problem]]:
    """Return the files of items by modality, and all of a folder that is not read.

    The modality ``image`` is always there.

    Args:
        path: of the domain.
        read: the names of the tables there.
        items: all ids; None where they could not be read: then only images are.
        problems: where to note what is wrong.
    """
    images = image_folder(path)
    if images.exists() and not images.is_dir():
        problems.add(Problem(images, "a folder of image files is needed"))
    found, unread = read_images(images, items, problems)
    others = [p for p in entries(path) if p.name not in read and p != images]
    if not images.exists() and images.is_symlink():
        others.append(images)
    folders = [each for each in others if each.is_dir()]
    files = {IMAGE: found}
    if items is not None:
        named, more = _modalities(folders, items, problems)
        files, unread = {**files, **named}, unread + more
    there = [*read, *([images.name] if images.is_dir() else [])]
    reasons = {p.name: why_unread(p, there) for p in others if not p.is_dir()}
    return files, name_unread(path, reasons) + unread


def _modalities(
    folders: Sequence[Path], items: pl.Series, problems: Problems
) -> tuple[dict[str, pl.DataFrame], list[Problem]]:
    """Return item and file (path) per modality, and what is not read.

    A folder counts as a modality if a file in it is called after an item.
    """
    found: dict[str, pl.DataFrame] = {}
    unread: list[Problem] = []
    for place in folders:
        listed = entries(place)
        files = [file for file in listed if file.is_file() and is_utf8(file.name)]
        named = pl.Series([f.stem for f in files], dtype=pl.String)
        if reason := _why_not(place.name, named, items):
            unread += [Problem(place, *reason, error=False)]
            continue
        found[place.name] = one_per_item(place, files, "file", problems)
        reason = "only files are read here", "put the files into this folder"
        others = {
            each.name: reason if is_utf8(each.name) else NO_UTF8
            for each in listed
            if each not in files
        }
        unread += name_unread(place, others)
        if meant(place.name) == IMAGES:
            fault = f"it is read as a modality {place.name}, not as images"
            mend = f"if it holds the images, call it {IMAGES}"
            problems.add(Problem(place, fault, mend, error=False))
    return found, unread


def _why_not(name: str, named: pl.Series, items: pl.Series) -> Reason | None:
    """Return why a folder is no modality and what to do; None where it is one."""
    if not is_utf8(name):
        return NO_UTF8
    if not named.is_in(items.implode()).any():
        fault = "no file in this folder is called after an item, so it is not read"
        mend = "files of a modality are called <item id>.<ending>"
        if meant(name) == IMAGES:
            mend = f"if it holds the images, call it {IMAGES}"
        return fault, mend
    if name in TAKEN:
        fault = f"no modality of files can be called {name}, so it is not read"
        mend = f"the folder of images is called {IMAGES}"
        return fault, mend if name == IMAGE else "give the folder another name"
    return None
