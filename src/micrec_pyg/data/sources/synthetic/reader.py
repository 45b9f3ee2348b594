"""Overlapping domains with text and drawn images and a planted right answer.

For tests and offline demos; never a result. Everything is written in the
own-catalogue format and read back through ``tables``, as real data is.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.catalogue.reader import tables
from micrec_pyg.data.files.writing import write_tsv
from micrec_pyg.data.sources.synthetic.planting import (
    COLORS,
    Plan,
    choose,
    draw_looks,
    draw_tastes,
    draw_words,
)
from micrec_pyg.schema import Catalogue, RandomStreams
from micrec_pyg.storage.digests import json_digest
from micrec_pyg.storage.seals import kept_folder

VERSION = 1
"""Raised whenever the generator changes, so that old files are not used."""
WORDS_PER_TITLE = 5
IMAGE_SIDE = 48


def synthetic(
    *,
    root: str,
    num_domains: int,
    num_users: int,
    num_items: int,
    interactions_per_user: int,
    overlap: int | float,
    num_topics: int,
    num_colors: int,
    num_groups: int,
    text_signal: int | float,
    image_signal: int | float,
    interaction_signal: int | float,
    overlap_signal: int | float,
    with_images: bool,
    seed: int,
) -> dict[str, Catalogue]:
    """Return the catalogues of generated domains ``d0``, ``d1``, ...

    Every item has a topic (its title's words), a colour (its image) and a hidden
    group (shown nowhere); the three are independent. Every user likes one topic, one
    colour and one group per domain. For each interaction three coins fall, with the
    probabilities ``text_signal``, ``image_signal`` and ``interaction_signal``: the
    first decides whether the item must be of the user's topic, the second of the
    colour, the third of the group. Among the new items that miss the fewest of these
    demands one is drawn uniformly. So a signal of 1 means that the user never leaves
    the topic (while it has unused items that meet the other demands), and 0 that the
    choice does not depend on it.

    ``<root>/processed/synthetic-<key>/planted.parquet`` holds the answer: domain,
    kind (user or item), id, topic, color, group.

    Args:
        root: data folder; the files lie in ``<root>/processed``.
        num_domains: at least 1.
        num_users: per domain.
        num_items: per domain.
        interactions_per_user: on average; a user has between half and 1.5 times that.
        overlap: share of a domain's users who are in every domain, in [0, 1].
        num_topics: 1 to 8.
        num_colors: 1 to 8.
        num_groups: at least 1.
        text_signal: see above, in [0, 1], as for the other signals.
        image_signal: see above.
        interaction_signal: see above.
        overlap_signal: probability that a shared user's topic is the same in all
            domains, not drawn anew in each; likewise the colour, and the group.
        with_images: whether images are drawn at all.
        seed: of everything.

    Raises:
        InputError: an impossible value.
    """
    plan = Plan(
        num_domains=num_domains,
        num_users=num_users,
        num_items=num_items,
        interactions_per_user=interactions_per_user,
        overlap=overlap,
        num_topics=num_topics,
        num_colors=num_colors,
        num_groups=num_groups,
        text_signal=text_signal,
        image_signal=image_signal,
        interaction_signal=interaction_signal,
        overlap_signal=overlap_signal,
        with_images=with_images,
        seed=seed,
    )
    key = {"version": VERSION, **dataclasses.asdict(plan)}
    return generated(root, "synthetic", key, functools.partial(_write, plan))


def generated(
    root: str, kind: str, options: Mapping[str, object], write: Callable[[Path], None]
) -> dict[str, Catalogue]:
    """Return the catalogues of a generated data set, writing its files only once.

    Args:
        root: data folder.
        kind: first part of the folder's name.
        options: everything that the content depends on.
        write: puts the own-catalogue layout into an empty folder.
    """
    key = json_digest(options)
    folder = Path(root).expanduser() / "processed" / f"{kind}-{key[:16]}"
    kept_folder(folder, write)
    return tables(
        path=str(folder),
        domains=None,
        columns=None,
        text_fields=["title"],
        text_sep=" ",
        rating_min=None,
        duplicates="error",
        filters=None,
        links=None,
        split_by=None,
    )


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
    edges = choose(plan, tastes, looks, stream(name, "choices"))
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
