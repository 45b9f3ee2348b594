"""Files of items in a domain's folder: ``<modality>/<item>.<ending>``, one per item."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.schema import IMAGE, TEXT

IMAGES = "images"
"""The folder of the modality ``image``; every other one is called as its modality."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
TABLES = ("interactions", "items")
TAKEN = (TEXT, IMAGE, KG, *TABLES)
"""Names that mean something else, so that no folder of files can have them."""


def folder_of(modality: str) -> str:
    """Return the name of the folder that holds the files of a modality."""
    return IMAGES if modality == IMAGE else modality


def read_item_files(
    folder: Path, items: pl.Series | None, problems: Problems
) -> dict[str, pl.DataFrame]:
    """Return item and file (path) per modality; ``image`` is always there.

    A folder counts as a modality if a file in it is called after an item. Others are
    named in a warning and not read.

    Args:
        folder: of the domain.
        items: all ids; None where they could not be read: then only images are.
        problems: where to note what is wrong.
    """
    images = folder / IMAGES
    if images.exists() and not images.is_dir():
        problems.add(Problem(images, "a folder of image files is needed"))
    found = {IMAGE: _images(images, problems)}
    if items is None:
        return found
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.name == IMAGES or place.name.startswith("."):
            continue
        files = _listed(place)
        named = pl.Series([f.stem for f in files], dtype=pl.String)
        if reason := _why_not(place.name, named, items):
            problems.add(Problem(place, *reason, error=False))
        else:
            found[place.name] = _one_per_item(place, files, "file", problems)
    return found


def _images(folder: Path, problems: Problems) -> pl.DataFrame:
    """Return item and file of every image; note what only looks like one."""
    listed = sorted(folder.iterdir()) if folder.is_dir() else []
    files = []
    for file in listed:
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if file.is_file():
            files.append(file)
            continue
        fault = "it is no regular file; the item will count as without an image"
        mend = "replace or remove it"
        problems.add(Problem(folder, fault, mend, place=file.name, error=False))
    return _one_per_item(folder, files, "image", problems)


def _listed(folder: Path) -> list[Path]:
    """Return the files of a folder by name, without hidden ones."""
    return [f for f in sorted(folder.iterdir()) if f.is_file() and f.name[0] != "."]


def _why_not(name: str, named: pl.Series, items: pl.Series) -> tuple[str, str] | None:
    """Return why a folder is no modality and what to do; None where it is one."""
    if not named.is_in(items.implode()).any():
        fault = "no file in this folder is called after an item, so it is not read"
        return fault, "files of a modality are called <item id>.<ending>"
    if name in TAKEN:
        fault = f"no modality of files can be called {name}, so it is not read"
        mend = f"the folder of images is called {IMAGES}"
        return fault, mend if name == IMAGE else "give the folder another name"
    return None


def _one_per_item(
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
