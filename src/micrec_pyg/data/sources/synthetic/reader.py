"""Overlapping domains with text and drawn images and a planted right answer.

For tests and offline demos; never a result. Everything is written in the
own-catalogue format and read back, as real data is.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.files.writing import write_tsv
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.data.sources.synthetic.planting import (
    COLORS,
    Plan,
    draw_interactions,
    draw_looks,
    draw_tastes,
    draw_words,
)
from micrec_pyg.random_streams import RandomStreams

VERSION = 1
"""Raised whenever the generator changes, so that old files are not used."""
WORDS_PER_TITLE = 5
IMAGE_SIDE = 48


@dataclass(frozen=True, kw_only=True)
class Synthetic(Plan, Source):
    """Generated domains ``d0``, ``d1``, ...; a ``Plan`` says what is in them.

    ``<root>/processed/synthetic-<key>/planted.parquet`` holds the answer: domain,
    kind (user or item), id, topic, color, group.
    """

    root: str
    """Data folder; the files lie in ``<root>/processed``."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the generated files, written only once."""
        plan = {k: v for k, v in dataclasses.asdict(self).items() if k != "root"}
        write = functools.partial(_write, self)
        content = {"version": VERSION, **plan}
        return OwnFormat(folder=convert_once(self.root, "synthetic", content, write))


def _write(plan: Plan, folder: Path) -> None:
    """Write all domains and the planted answer."""
    planted = [
        answer
        for number in range(plan.num_domains)
        for answer in _write_domain(plan, folder / f"d{number}")
    ]
    pl.concat(planted).write_parquet(folder / "planted.parquet")


def _write_domain(plan: Plan, folder: Path) -> list[pl.DataFrame]:
    """Write one domain and return the planted attributes of its users and items."""
    name = folder.name
    stream = functools.partial(RandomStreams(plan.seed), "synthetic")
    # new for every domain, so "shared" starts alike for all of them
    tastes = draw_tastes(plan, stream("shared"), stream(name, "tastes"))
    looks = draw_looks(plan, stream(name, "looks"))
    edges = draw_interactions(plan, tastes, looks, stream(name, "choices"))
    titles = draw_words(looks[:, 0], WORDS_PER_TITLE, stream(name, "words"))
    common = plan.num_shared
    numbers = range(plan.num_users)
    users = pl.Series([f"u{n}" if n < common else f"{name}u{n}" for n in numbers])
    items = pl.Series([f"{name}i{n}" for n in range(plan.num_items)])
    rows = {
        "user": users.gather(edges[0].tolist()),
        "item": items.gather(edges[1].tolist()),
        "order": edges[2].numpy(),
    }
    write_tsv(pl.DataFrame(rows), folder / "interactions.tsv")
    write_tsv(pl.DataFrame({"item": items, "title": titles}), folder / "items.tsv")
    if plan.with_images:
        _draw_images(folder / "images", items, looks[:, 1], stream(name, "images"))
    return [_answer(name, "user", users, tastes), _answer(name, "item", items, looks)]


def _answer(
    domain: str, kind: str, ids: pl.Series, attributes: torch.Tensor
) -> pl.DataFrame:
    """Return the planted attributes of one node type."""
    topic, color, group = (column.numpy() for column in attributes.T)
    return pl.DataFrame(
        {"id": ids, "topic": topic, "color": color, "group": group}
    ).select(pl.lit(domain).alias("domain"), pl.lit(kind).alias("kind"), pl.all())


def _draw_images(
    folder: Path, items: pl.Series, colors: torch.Tensor, generator: torch.Generator
) -> None:
    """Draw an image per item: a patch of its colour at a random place."""
    from PIL import Image, ImageDraw

    folder.mkdir()
    corners = torch.rand(len(items), 2, generator=generator) * (IMAGE_SIDE / 4)
    for item, color, (left, top) in zip(
        items, colors.tolist(), corners.tolist(), strict=True
    ):
        image = Image.new("RGB", (IMAGE_SIDE, IMAGE_SIDE), "white")
        box = (left, top, left + IMAGE_SIDE / 2, top + IMAGE_SIDE / 2)
        ImageDraw.Draw(image).ellipse(box, fill=COLORS[color])
        image.save(folder / f"{item}.png")
