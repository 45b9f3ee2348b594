"""Images of items in a domain's folder: ``images/<item>.<ending>``, or below it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.folder_names import (
    LINK_TO_NOTHING,
    NO_UTF8,
    Reason,
    entries,
    is_utf8,
    name_unread,
)
from micrec_pyg.data.files.problems import Problem, Problems

USUAL = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
SUFFIXES = (
    *USUAL,
    *(".jfif", ".jpe", ".apng", ".avif", ".dib", ".tif", ".tiff", ".ppm", ".pgm"),
    *(".pnm", ".jp2", ".tga", ".ico"),
)
"""Endings that are read, in small letters or capitals; Pillow opens them."""


def read_images(
    folder: Path, items: pl.Series | None, problems: Problems
) -> tuple[pl.DataFrame, list[Problem]]:
    """Return item and file of every image, and what in the folder is not read.

    An image belongs to the item that its file is called after; in a subfolder, if no
    item is called so, to the item that the subfolder is called after. An image in a
    subfolder or of another than the ``USUAL`` endings is read if its item has no other.

    Args:
        folder: of the images; it need not be there.
        items: all ids; None where they could not be read.
        problems: where to note items with two usual images.
    """
    unread: dict[str, Reason] = {}
    usual, further = [], []
    for file in [*_hidden(folder), *_walk(folder)]:
        if not is_utf8(file.relative_to(folder)):
            unread[file.relative_to(folder).as_posix()] = NO_UTF8
        elif (reason := _why_unread(file)) is not None:
            unread[file.relative_to(folder).as_posix()] = reason
        elif file.parent == folder and file.suffix.lower() in USUAL:
            usual.append(file)
        else:
            further.append(file)
    taken = one_per_item(folder, usual, "image", problems)
    more = _further(folder, further, set(taken["item"]), items, unread)
    return pl.concat([taken, more]), name_unread(folder, unread)


def _hidden(folder: Path) -> list[Path]:
    """Return hidden images: earlier versions read them, and digests cover them."""
    listed = sorted(folder.iterdir()) if folder.is_dir() else []
    hidden = [p for p in listed if p.name[0] == "." and p.suffix.lower() in USUAL]
    return [path for path in hidden if path.is_file()]


def _walk(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder and below, without following links to folders."""
    for path in entries(folder) if folder.is_dir() else []:
        below = path.is_dir() and not path.is_symlink()
        if below and path.suffix.lower() not in SUFFIXES:
            yield from _walk(path)
        else:
            yield path


def _why_unread(file: Path) -> Reason | None:
    """Return why a file of the image folder is no image; None where it may be one."""
    if file.is_symlink() and not file.exists():
        return LINK_TO_NOTHING
    if file.is_symlink() and file.is_dir():
        return "a link to a folder is not followed", "put the files themselves there"
    if file.suffix.lower() not in SUFFIXES:
        ending = file.suffix or "no ending"
        return (
            f"{ending}: it is not read as an image",
            f"read are {', '.join(SUFFIXES)}",
        )
    if not file.is_file():
        fault = "it is no regular file; the item will count as without an image"
        return fault, "replace or remove it"
    return None


def _further(
    folder: Path,
    files: list[Path],
    taken: set[str],
    items: pl.Series | None,
    unread: dict[str, Reason],
) -> pl.DataFrame:
    """Return item and file of further images, where nothing else claims their item."""
    known = set(items) if files and items is not None else set()
    owned: dict[str, list[Path]] = {}
    for file in files:
        above = file.stem if file.parent == folder else file.parent.name
        asked = {file.stem, above} & known
        if len(asked) > 1:
            fault = "it is not read: its name and its folder's are two items"
            reason = fault, f"call it {folder.name}/<item id>.<ending>"
            unread[file.relative_to(folder).as_posix()] = reason
        else:
            owned.setdefault(next(iter(asked), file.stem), []).append(file)
    rows = []
    for item, several in owned.items():
        if len(several) == 1 and item not in taken:
            rows.append({"item": item, "file": str(several[0])})
            continue
        for file in several:
            reason = "it is not read: its item has several", "keep one image per item"
            unread[file.relative_to(folder).as_posix()] = reason
    return pl.DataFrame(rows, schema={"item": pl.String, "file": pl.String})


def one_per_item(
    folder: Path, files: Sequence[Path], kind: str, problems: Problems
) -> pl.DataFrame:
    """Return item and file, in the order of the names; note items with several."""
    table = pl.DataFrame(
        {"item": [f.stem for f in files], "file": [str(f) for f in files]},
        schema={"item": pl.String, "file": pl.String},
    )
    repeated = table.filter(table["item"].is_duplicated())
    if not repeated.is_empty():
        names = ", ".join(Path(p).name for p in repeated["file"].head(2))
        more = repeated["item"].n_unique() - 1
        verb = "show" if kind == "image" else "belong to"
        fault = f"{names} {verb} one item"
        mend = f"keep one {kind} per item"
        problems.add_rows([Problem(folder, fault, mend)], more + 1)
    return table.unique("item", keep="first", maintain_order=True)
