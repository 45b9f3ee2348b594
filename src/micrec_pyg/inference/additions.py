"""A world with more or less in it: new items, new interactions, people who leave.

Vocabularies grow at their end, so no number changes. The graph of a changed domain is
made anew, whole: the scores are those of a graph built from scratch.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.inference.content import (
    features_of,
    pictures_of,
    readable_items,
    text_of,
)
from micrec_pyg.inference.people import unknown
from micrec_pyg.inference.world import World, with_graphs
from micrec_pyg.schema import (
    Domain,
    EdgeSplit,
    Feature,
    InputError,
    Interactions,
    Vocab,
)

PARTS = ("train", "support", "val", "silent", "val_support")
"""The parts of a split that a world knows."""


def with_items(world: World, domain: str, table: pl.DataFrame) -> World:
    """Return a world with new items, which nobody has touched yet.

    Args:
        world: What is known.
        domain: Of the items.
        table: item, and any of text and the modalities of the domain.

    Raises:
        InputError: An item is there already, or a column cannot be used.
    """
    ids = new_ids(table, "item", world.domains[domain].interactions.items)
    before, count = world.domains[domain], len(ids)
    table = readable_items(table)
    made = features_of(world, domain, table)
    features = {
        name: Feature(
            torch.cat([old.values, made[name].values]),
            torch.cat([old.mask, made[name].mask]),
        )
        for name, old in before.features.items()
    }
    split = world.splits[domain]
    grown = dataclasses.replace(
        world,
        domains={
            **world.domains,
            domain: dataclasses.replace(
                _domain(before, before.interactions.users, ids, grow_items=True),
                features=features,
            ),
        },
        splits={
            **world.splits,
            domain: dataclasses.replace(
                split, seen_item=_grown(split.seen_item, count)
            ),
        },
        texts={
            **world.texts,
            domain: pl.concat(
                [world.texts[domain].cast(pl.String), text_of(table)], rechunk=True
            ),
        },
        pictures={
            **world.pictures,
            domain: pl.concat([world.pictures[domain], pictures_of(table)]),
        },
        gone={**world.gone, domain: _grown(world.gone[domain], count)},
    )
    return with_graphs(grown, [domain])


def with_interactions(world: World, tables: Mapping[str, pl.DataFrame]) -> World:
    """Return a world with more interactions, of known users and of new ones.

    Pairs that are in the graphs already change nothing.

    Args:
        world: What is known.
        tables: By domain: user, item.

    Raises:
        InputError: An item is unknown, or an id is missing.
    """
    for domain, table in tables.items():
        world = _with_users(world, domain, table["user"])
        sides, split = world.domains[domain].interactions, world.splits[domain]
        item = sides.items.index(table["item"])
        if (item < 0).any():
            place = int((item < 0).nonzero()[0])
            raise unknown(
                table["item"][place],
                sides.items,
                f"interactions, row {place + 1}: domain {domain} has no item",
            )
        pairs = torch.stack([sides.users.index(table["user"]), item])
        new = _not_there(pairs, split.known_at_test, len(sides.items))
        more = dataclasses.replace(split, support=torch.cat([split.support, new], 1))
        world = dataclasses.replace(world, splits={**world.splits, domain: more})
    return with_graphs(world, list(tables))


def without(
    world: World,
    users: Mapping[str, Int[Tensor, " _"]],
    items: Mapping[str, Int[Tensor, " _"]],
) -> World:
    """Return a world that knows nothing of some users and items.

    Their interactions, their content and their raw ids are deleted. Their rows stay,
    empty, so that no other number changes. Each row of a user is then a person of its
    own: who comes back to a domain must not find the own old row there.

    Args:
        world: What is known.
        users: By domain, places in the vocabularies.
        items: Likewise.
    """
    domains, splits = dict(world.domains), dict(world.splits)
    gone, texts, pictures = dict(world.gone), dict(world.texts), dict(world.pictures)
    person, free = dict(world.train.person), world.num_people
    none = torch.zeros(0, dtype=torch.int64)
    changed = [d for d in domains if len(users.get(d, none)) + len(items.get(d, none))]
    for name in changed:
        sides = domains[name].interactions
        left = [
            _flags(users.get(name, none), len(sides.users)),
            _flags(items.get(name, none), len(sides.items)),
        ]
        splits[name] = _without_edges(splits[name], *left)
        fresh = free + left[0].cumsum(0) - 1
        person[name] = torch.where(left[0], fresh, person[name])
        free += int(left[0].sum())
        domains[name] = _without_content(domains[name], *left)
        gone[name] = gone[name] | left[1]
        removed = pl.Series(left[1].numpy())
        texts[name] = texts[name].set(removed, None)
        nothing = pl.Series([None], dtype=pl.Binary)
        pictures[name] = nothing.zip_with(removed, pictures[name])
    smaller = dataclasses.replace(
        world,
        train=dataclasses.replace(world.train, person=person),
        domains=domains,
        splits=splits,
        gone=gone,
        texts=texts,
        pictures=pictures,
    )
    return with_graphs(smaller, changed)


def _without_content(
    domain: Domain, user: Bool[Tensor, " users"], item: Bool[Tensor, " items"]
) -> Domain:
    """Return a domain without the raw ids and the content of flagged nodes."""
    sides = domain.interactions
    return dataclasses.replace(
        domain,
        interactions=dataclasses.replace(
            sides,
            users=Vocab(_anonymous(sides.users.ids, user)),
            items=Vocab(_anonymous(sides.items.ids, item)),
        ),
        features={
            modality: Feature(
                torch.where(item[:, None], 0.0, feature.values), feature.mask & ~item
            )
            for modality, feature in domain.features.items()
        },
    )


def is_anonymous(ids: pl.Series) -> pl.Series:
    """Return which rows of a vocabulary stand for what was removed."""
    return ids.str.starts_with("\0")


def new_ids(table: pl.DataFrame, column: str, known: Vocab) -> pl.Series:
    """Return the ids of a table, none of which is known.

    Raises:
        InputError: One is known or missing, or stands there twice.
    """
    ids = table[column]
    repeated = ~ids.is_first_distinct()
    there = known.index(ids) >= 0
    for bad, fault in (
        (repeated, "stands there twice"),
        (pl.Series(there.numpy()), "is there already; remove it first"),
    ):
        if bad.any():
            place = int(bad.arg_true()[0])
            raise InputError(f"{column}s, row {place + 1}: '{ids[place]}' {fault}")
    return ids


def _with_users(world: World, domain: str, raw: pl.Series) -> World:
    """Return a world whose vocabulary has these users; who is elsewhere is linked."""
    sides = world.domains[domain].interactions
    ids = raw.filter(pl.Series((sides.users.index(raw) < 0).numpy()))
    ids = ids.unique(maintain_order=True)
    if not len(ids):
        return world
    if world.options.union:
        raise InputError(
            "the run has one graph of all domains (graph=union), whose users cannot "
            "be added; give their history to recommend, or train with graph=default"
        )
    person = world.num_people + torch.arange(len(ids))
    for name, each in world.domains.items():
        index = each.interactions.users.index(ids)
        person = torch.where(index >= 0, world.train.person[name][index], person)
    people = torch.cat([world.train.person[domain], person])
    split, before = world.splits[domain], world.domains[domain]
    return dataclasses.replace(
        world,
        train=dataclasses.replace(
            world.train, person={**world.train.person, domain: people}
        ),
        domains={
            **world.domains,
            domain: _domain(before, sides.users, ids, grow_items=False),
        },
        splits={
            **world.splits,
            domain: dataclasses.replace(
                split, seen_user=_grown(split.seen_user, len(ids))
            ),
        },
    )


def _domain(
    before: Domain, users: Vocab, ids: pl.Series, *, grow_items: bool
) -> Domain:
    """Return a domain whose items, or users, go on with these."""
    sides = before.interactions
    grown = Vocab(pl.concat([(sides.items if grow_items else users).ids, ids]))
    return dataclasses.replace(
        before,
        interactions=Interactions(
            user=sides.user,
            item=sides.item,
            users=users if grow_items else grown,
            items=grown if grow_items else sides.items,
        ),
    )


def _grown(flags: Bool[Tensor, " nodes"], count: int) -> Bool[Tensor, " grown"]:
    return torch.cat([flags, torch.zeros(count, dtype=torch.bool)])


def _flags(index: Int[Tensor, " _"], size: int) -> Bool[Tensor, " size"]:
    flags = torch.zeros(size, dtype=torch.bool)
    flags[index] = True
    return flags


def _not_there(
    pairs: Int[Tensor, "2 _"], known: Int[Tensor, "2 _"], num_items: int
) -> Int[Tensor, "2 _"]:
    """Return the distinct pairs that are not known."""
    key = torch.unique(pairs[0] * num_items + pairs[1])
    key = key[~torch.isin(key, known[0] * num_items + known[1])]
    return torch.stack([key // num_items, key % num_items])


def _without_edges(
    split: EdgeSplit, users: Bool[Tensor, " _users"], items: Bool[Tensor, " _items"]
) -> EdgeSplit:
    parts: dict[str, Any] = {}
    for part in PARTS:
        pairs = getattr(split, part)
        parts[part] = pairs[:, ~(users[pairs[0]] | items[pairs[1]])]
    return dataclasses.replace(split, **parts)


def _anonymous(ids: pl.Series, left: Bool[Tensor, " ids"]) -> pl.Series:
    """Return ids with those of removed nodes replaced; no raw id begins so."""
    names = pl.Series([f"\0{place}" for place in range(len(ids))], dtype=pl.String)
    return names.zip_with(pl.Series(left.numpy()), ids.cast(pl.String)).alias(ids.name)
