"""Raw ids and histories of a question -> rows of the graphs."""

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.inference.askers import Askers, in_order, known_askers
from micrec_pyg.inference.domains import check_domain, with_domain
from micrec_pyg.inference.tables import id_table
from micrec_pyg.inference.world import World
from micrec_pyg.runs.frames import as_polars
from micrec_pyg.schema import ITEM, InputError, Vocab

logger = logging.getLogger(__name__)

History = Mapping[str, Sequence[str] | pl.Series]
"""By domain: raw ids of items."""


@dataclass(frozen=True, eq=False)
class People:
    """Whom a question is about: some have a history in the domain's graph."""

    names: pl.Series
    """In the order of the answers."""
    users: Int[Tensor, " some"]
    """Rows in the domain's graph of those with a history there."""
    askers: Askers
    """The others."""
    is_user: Bool[Tensor, " people"]
    """Which of ``names`` are in ``users``; the others are in ``askers``, in order."""


def known_people(world: World, domain: str, users: Sequence[str] | pl.Series) -> People:
    """Return users by raw id.

    Args:
        world: What is known.
        domain: Whose items are asked for.
        users: Raw ids that this or another domain knows.

    Raises:
        InputError: An id is unknown everywhere.
    """
    names = texts_of(users, "users").unique(maintain_order=True)
    person = torch.full((len(names),), -1)
    place = {}
    for name, each in world.domains.items():
        index = place[name] = each.interactions.users.index(names)
        found = (index >= 0) & (person < 0)
        person[found] = world.train.person[name][index[found]]
    if (person < 0).any():
        first = int((person < 0).nonzero()[0])
        known = world.domains[domain].interactions.users
        raise unknown(names[first], known, f"users: domain {domain} has no user")
    index, tables = place[domain], world.rows(domain)
    row = torch.where(index >= 0, tables.user[index.clamp(min=0)], -1)
    is_user = (row >= 0) & tables.has_history[row.clamp(min=0)]
    others = person[~is_user]
    askers = known_askers(world, others) if len(others) else _nobody(world)
    return People(names, row[is_user], askers, is_user)


def new_people(world: World, history: History | Any) -> People:
    """Return people who are known by their history alone.

    Items for which the model has no answer are left out, and the log says so.

    Args:
        world: What is known.
        history: Of one person, raw ids of items by domain; or of many, a frame with
            the columns user, item, and domain if there are several.

    Raises:
        InputError: A domain or an item is unknown, or a column is missing.
    """
    if isinstance(history, Mapping):
        table = _of_one(world, history)
        names = pl.Series([None], dtype=pl.String)
        table = table.with_columns(person=pl.lit(0, pl.Int64))
    else:
        table = _of_many(world, as_polars(history, "history"))
        names = table["user"].unique(maintain_order=True)
        place = Vocab(names).index(table["user"])
        table = table.with_columns(person=pl.Series(place.numpy()))
    person = world.num_people + torch.arange(len(names))
    edges = {}
    for name in world.domains:
        mine = table.filter(domain=name).drop_nulls("item")
        row = _item_rows(world, name, mine["item"], "history")
        known = row >= 0
        if not bool(known.all()):
            logger.warning(
                "the model %s has no answer for new items: %d of the histories in %s "
                "are left out",
                world.name,
                int((~known).sum()),
                name,
            )
        asker = torch.from_numpy(mine["person"].to_numpy(writable=True))
        edges[name] = in_order(asker[known], row[known])
    none = torch.zeros(0, dtype=torch.int64)
    everybody = torch.zeros(len(names), dtype=torch.bool)
    return People(names, none, Askers(person, edges), everybody)


def chosen_items(
    world: World, domain: str, items: Sequence[str] | pl.Series | None
) -> Bool[Tensor, " items"] | None:
    """Return the items that may be recommended, as rows of the domain's graph.

    Args:
        world: What is known.
        domain: Of the items.
        items: Raw ids; None: all that are not removed.

    Raises:
        InputError: An id is unknown.
    """
    allowed = world.rows(domain).allowed
    if items is None:
        return allowed
    rows = _item_rows(world, domain, texts_of(items, "items"), "items")
    mine = torch.zeros(world.tasks[domain].data[ITEM].num_nodes, dtype=torch.bool)
    mine[rows[rows >= 0]] = True
    if allowed is not None:
        mine &= allowed
    return None if bool(mine.all()) else mine


def item_place(world: World, domain: str, item: str) -> int:
    """Return the place of an item in the domain's vocabulary.

    Raises:
        InputError: It is unknown.
    """
    vocab = world.domains[domain].interactions.items
    return int(_item_places(vocab, domain, texts_of([item], "item"), "item")[0])


def item_row(world: World, domain: str, item: str) -> int:
    """Return the row of an item in the domain's graph.

    Raises:
        InputError: It is unknown, or the model has no answer for it.
    """
    row = int(_item_rows(world, domain, texts_of([item], "item"), "item")[0])
    if row < 0:
        raise InputError(
            f"the model {world.name} has no answer for new items, and '{item}' is one; "
            "train a model that has, such as micrec"
        )
    return row


def places_of(
    world: World,
    domains: Sequence[str],
    kind: str,
    raw: Sequence[str] | pl.Series,
) -> dict[str, Int[Tensor, " _"]]:
    """Return the places of raw ids in the vocabularies of some domains.

    Args:
        world: What is known.
        domains: Where to look.
        kind: ``users`` or ``items``.
        raw: Ids; each must be in one of these domains.

    Raises:
        InputError: An id is in none of them.
    """
    ids = texts_of(raw, kind)
    found = torch.zeros(len(ids), dtype=torch.bool)
    places_by_domain = {}
    for name in domains:
        vocab = getattr(world.domains[name].interactions, kind)
        index = vocab.index(ids)
        found |= index >= 0
        places_by_domain[name] = index[index >= 0]
    if not bool(found.all()):
        place = int((~found).nonzero()[0])
        several = len(domains) > 1
        have = f"domains {', '.join(domains)} have" if several else ""
        have = have or f"domain {domains[0]} has"
        where = f"{kind}: {have} no {kind[:-1]}"
        raise unknown(ids[place], vocab, where)
    return places_by_domain


def texts_of(values: Sequence[str] | pl.Series, name: str) -> pl.Series:
    """Return raw ids as a series of texts.

    Raises:
        InputError: They are one text, or hold a null.
    """
    if isinstance(values, str):
        raise InputError(f"{name}='{values}' is one text; give a list: ['{values}']")
    try:
        found = pl.Series("id", values, strict=True).cast(pl.String)
    except (TypeError, UnicodeEncodeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{name}: give a list of raw ids ({error})") from error
    if found.null_count():
        raise InputError(f"{name}: an id is missing (null); leave it out")
    return found


def unknown(raw: str, known: Vocab, sentence: str) -> InputError:
    """Return the error for an id that is not there, with the nearest that is."""
    near = difflib.get_close_matches(raw, known.ids.head(20_000).to_list(), n=1)
    hint = f"; the nearest is '{near[0]}'" if near else ""
    return InputError(f"{sentence} '{raw}'{hint}")


def _of_one(world: World, history: History) -> pl.DataFrame:
    """Return item and domain of one person's history."""
    frames = [pl.DataFrame(schema={"item": pl.String, "domain": pl.String})]
    for name, items in history.items():
        check_domain(world, name)
        ids = texts_of(items, f"history of {name}").rename("item")
        frames.append(ids.to_frame().with_columns(domain=pl.lit(name)))
    return pl.concat(frames)


def _of_many(world: World, table: pl.DataFrame) -> pl.DataFrame:
    """Return user, item and domain; a null item says that there is no history."""
    table = with_domain(world, table)
    needed = ["user", "item", "domain"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(
            f"history: column {', '.join(missing)} is missing; needed: user, item and, "
            f"of {', '.join(world.domains)}, domain"
        )
    table = id_table(table, "history", ["user"], ["item", "domain"]).select(needed)
    for name in table.drop_nulls("item")["domain"].unique(maintain_order=True):
        check_domain(world, name)
    return table


def _item_rows(
    world: World, domain: str, items: pl.Series, name: str
) -> Int[Tensor, " items"]:
    """Return rows of the domain's graph.

    Raises:
        InputError: An id is unknown.
    """
    vocab = world.domains[domain].interactions.items
    rows: Tensor = world.rows(domain).item[_item_places(vocab, domain, items, name)]
    return rows


def _item_places(
    vocab: Vocab, domain: str, items: pl.Series, name: str
) -> Int[Tensor, " items"]:
    index = vocab.index(items)
    if (index < 0).any():
        place = int((index < 0).nonzero()[0])
        raise unknown(items[place], vocab, f"{name}: domain {domain} has no item")
    return index


def _nobody(world: World) -> Askers:
    none = torch.zeros(0, dtype=torch.int64)
    return Askers(none, {name: torch.zeros(2, 0).long() for name in world.domains})
