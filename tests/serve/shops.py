"""Two models of one small shop with pictures, for tests of what people see."""

import shutil
from pathlib import Path

import polars as pl
import torch
from PIL import Image, ImageDraw
from serve.conftest import GOLDEN

from micrec_pyg.runs.thumbnails import write_thumbnails
from micrec_pyg.serve.shelf import Shelf, load_served
from micrec_pyg.storage.seals import MANIFEST, seal
from micrec_pyg.storage.tensors import read_tensors, write_tensors

PICTURED = ("food1", "food3", "food4")


def shelf_of_shops(root: Path) -> Shelf:
    """Return the models ``one`` and ``two``; some food of ``one`` has a picture."""
    for name in ("one", "two"):
        shutil.copytree(GOLDEN, root / name)
        (root / name / "answers.csv").unlink()
    _draw(root / "one")
    _change(root / "two")
    for name in ("one", "two"):
        seal(
            root / name, [p.name for p in (root / name).iterdir() if p.suffix != ".md"]
        )
        assert (root / name / MANIFEST).is_file()
    return Shelf([load_served(name, root / name) for name in ("one", "two")])


def _draw(folder: Path) -> None:
    ids = pl.read_parquet(folder / "items-food.parquet")["id"]
    files = []
    for item in ids:
        path = folder.parent / f"{item}.png"
        if item in PICTURED:
            image = Image.new("RGB", (200, 250), "beige")
            ImageDraw.Draw(image).ellipse((30, 60, 170, 200), fill="brown")
            image.save(path)
        files.append(str(path) if item in PICTURED else None)
    write_thumbnails(
        folder / "thumbnails-food.parquet",
        pl.Series(files, dtype=pl.String),
        name="food",
        digest="",
        cache_dir=None,
    )


def _change(folder: Path) -> None:
    """Let a model score otherwise."""
    tensors, meta = read_tensors(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    changed = {
        name: value + torch.randn(value.shape, generator=generator)
        if value.is_floating_point()
        else value
        for name, value in tensors.items()
    }
    write_tensors(folder / "model.safetensors", changed, meta)
