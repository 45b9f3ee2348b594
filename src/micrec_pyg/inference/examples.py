"""A few people of a run with what they have and what the model would give them."""

from pathlib import Path

import polars as pl
import torch

from micrec_pyg.inference.artefact import read_artefact
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.inference.world import World, make_world

SCHEMA = {
    "domain": pl.String,
    "user": pl.String,
    "kind": pl.String,
    "rank": pl.Int64,
    "item": pl.String,
    "title": pl.String,
    "score": pl.Float64,
    "reason": pl.String,
    "picture": pl.Binary,
}
HISTORY, ANSWER = "history", "recommended"
SHARES = (0.1, 0.5, 0.9)
"""Whom to show: the share of people whose history is shorter."""


def examples_of(path: Path | str, *, k: int = 5) -> pl.DataFrame:
    """Return people with a short, a middle and a long history, of every domain.

    A row is an item: one of the first k of a person's history (kind ``history``, in
    the order of the ids), or of the k best items (``recommended``, best first, with
    score, and in reason the link of the chain that answered). The history is what the
    model knows at the test; test pairs have no part in it.

    Args:
        path: Folder of a finished run or of an artefact.
        k: Items of each kind.

    Raises:
        InputError: There is no artefact, or it is damaged.
    """
    with torch.no_grad():
        world = make_world(read_artefact(Path(path)), device="cpu")
    rec = Recommender(world)
    tables = [pl.DataFrame(schema=SCHEMA)]
    for name in world.domains:
        titles = rec.titles(name)
        tables += [_rows(rec, name, user, titles, k) for user in _people(world, name)]
    return pl.concat(tables)


def _people(world: World, domain: str) -> list[str]:
    """Return raw ids, those of short histories first; equal ones by their order."""
    ids = world.domains[domain].interactions.users.ids
    users = world.splits[domain].known_at_test[0]
    degrees = torch.bincount(users, minlength=len(ids))
    known = degrees.argsort(stable=True)[int((degrees == 0).sum()) :]
    places = {int(share * len(known)) for share in SHARES} if len(known) else set()
    return ids.gather([int(known[place]) for place in sorted(places)]).to_list()


def _rows(
    rec: Recommender, domain: str, user: str, titles: pl.DataFrame, k: int
) -> pl.DataFrame:
    has = rec.history(user)[domain].head(k)
    history = pl.DataFrame({"item": has}).join(titles, on="item", how="left")
    answers = rec.recommend(users=[user], domain=domain, k=k)
    table = pl.concat(
        [
            history.with_columns(
                kind=pl.lit(HISTORY), rank=pl.int_range(1, pl.len() + 1)
            ),
            answers.with_columns(kind=pl.lit(ANSWER)),
        ],
        how="diagonal_relaxed",
    )
    pictures = [rec.picture(item, domain=domain) for item in table["item"]]
    return table.with_columns(
        domain=pl.lit(domain),
        user=pl.lit(user),
        picture=pl.Series(pictures, dtype=pl.Binary),
    ).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
