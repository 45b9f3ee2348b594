"""Vectors, ids, titles and lists as Parquet files, for any program that reads these."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.inference.exports.vectors import (
    as_column,
    has_vectors,
    item_table,
    user_table,
    vectors_of,
)
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.inference.world import World
from micrec_pyg.storage.writing import fill_parquet, whole, write_parquet

USERS_AT_ONCE = 8192
"""Users whose lists are held at a time."""


@dataclass(frozen=True)
class Tables:
    """What was written."""

    files: Sequence[Path]
    vectors: bool
    """Whether users and items have a column of vectors."""


def write_tables(world: World, domain: str, folder: Path, *, k: int) -> Tables:
    """Write ``users-``, ``items-`` and ``top-<domain>.parquet``.

    Args:
        world: What is known.
        domain: Name.
        folder: Gets the files.
        k: Length of the lists.
    """
    users, items = user_table(world, domain), item_table(world, domain)
    if has_vectors(world):
        users = users.with_columns(as_column(vectors_of(world, domain).user))
    paths = {name: folder / f"{name}-{domain}.parquet" for name in ("users", "items")}
    write_parquet(paths["users"], users)
    write_parquet(paths["items"], items)
    top = folder / f"top-{domain}.parquet"
    with whole(top) as part:
        fill_parquet(part, _lists(world, domain, k))
    return Tables([*paths.values(), top], has_vectors(world))


def _lists(world: World, domain: str, k: int) -> Iterator[pl.DataFrame]:
    rec = Recommender(world)
    for some in rec.users(domain).to_frame("user").iter_slices(USERS_AT_ONCE):
        yield rec.recommend(users=some["user"], domain=domain, k=k)
