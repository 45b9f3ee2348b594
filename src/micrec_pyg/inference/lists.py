"""Ranked lists of people, as a frame of raw ids."""

from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.evaluation.block_size import users_at_once
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.inference.askers import Askers
from micrec_pyg.inference.links import CONTENT, HISTORY, POPULARITY, REASONS, answer
from micrec_pyg.inference.people import People
from micrec_pyg.inference.world import World
from micrec_pyg.schema import ITEM, USER, RankedLists

BLOCK = 256
"""Guests who are answered at a time."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What lists are to hold."""

    domain: str
    k: int
    exclude_seen: bool
    candidates: Bool[Tensor, " items"] | None
    """Of the domain's graph; None: all."""


@dataclass(frozen=True, eq=False)
class Lists:
    """Lists of people, in the order that they were asked for."""

    item: Int[Tensor, "people k"]
    """Rows of the domain's graph, best first; -1 pads."""
    score: Float[Tensor, "people k"]
    reason: Int[Tensor, " people"]
    """A place in ``REASONS``."""


def lists_of_people(world: World, people: People, wanted: Wanted) -> Lists:
    """Return the lists of people, in their order.

    Args:
        world: What is known.
        people: Users with a history in the domain, and others.
        wanted: What the lists hold.
    """
    count = len(people.names)
    found = Lists(
        torch.full((count, wanted.k), -1),
        torch.zeros(count, wanted.k),
        torch.zeros(count, dtype=torch.int64),
    )
    parts = []
    if len(people.users):
        parts.append((people.is_user, lists_of_users(world, people.users, wanted)))
    if people.askers.count:
        parts.append((~people.is_user, lists_of_askers(world, people.askers, wanted)))
    for place, part in parts:
        found.item[place], found.score[place] = part.item, part.score
        found.reason[place] = part.reason
    return found


def lists_of_users(world: World, rows: Int[Tensor, " users"], wanted: Wanted) -> Lists:
    """Return what the evaluation would rank for users with a history.

    Args:
        world: What is known.
        rows: Of the domain's graph.
        wanted: What the lists hold.
    """
    task, rows = world.tasks[wanted.domain], rows.to(world.device)
    known = task.known[:, :0]
    if wanted.exclude_seen:
        known = _pairs_of(task.known, rows)
    found = rank(
        world.scores[wanted.domain],
        users=rows,
        n_id=task.data[USER].n_id[rows],
        known=known,
        k=wanted.k,
        candidates=wanted.candidates,
        batch_size=users_at_once(
            world.batch_size, task.data[ITEM].num_nodes, world.device
        ),
    )
    reason = HISTORY if world.personal[wanted.domain] else POPULARITY
    return _lists(found, torch.full((len(rows),), reason))


def lists_of_askers(world: World, askers: Askers, wanted: Wanted) -> Lists:
    """Return lists by the chain of ``links``.

    Args:
        world: What is known.
        askers: People without a history in the graph of the domain.
        wanted: What the lists hold.
    """
    blocks = [
        _block(world, askers.some(rows), wanted)
        for rows in torch.arange(askers.count).split(BLOCK)
    ]
    return Lists(
        torch.cat([block.item for block in blocks]),
        torch.cat([block.score for block in blocks]),
        torch.cat([block.reason for block in blocks]),
    )


def as_frame(world: World, domain: str, names: pl.Series, lists: Lists) -> pl.DataFrame:
    """Return a row per list and place: user, rank, item, score, title, reason.

    Args:
        world: What is known.
        domain: Of the items.
        names: What the people are called.
        lists: In their order.
    """
    person, place = (lists.item >= 0).nonzero(as_tuple=True)
    row, tables = lists.item[person, place], world.rows(domain)
    reason = lists.reason[person]
    by_content = tables.by_content[row] & (reason < CONTENT)
    reason = torch.where(by_content, CONTENT, reason)
    index = row.numpy()
    # [] takes rows in a third of the time of gather
    return pl.DataFrame(
        {
            "user": names[person.numpy()],
            "rank": (place + 1).numpy(),
            "item": tables.item_id[index],
            "score": lists.score[person, place].numpy(),
            "title": tables.title[index],
            "reason": pl.Series(REASONS)[reason.numpy()],
        }
    )


def _pairs_of(known: Tensor, rows: Tensor) -> Int[Tensor, "2 _"]:
    """Return the pairs of some users, out of pairs that are sorted by user."""
    user = known[0].contiguous()
    start = torch.searchsorted(user, rows)
    count = torch.searchsorted(user, rows, right=True) - start
    shift = (start - (count.cumsum(0) - count)).repeat_interleave(count)
    return known[:, shift + torch.arange(len(shift), device=shift.device)]


def _block(world: World, askers: Askers, wanted: Wanted) -> Lists:
    found = answer(world, wanted.domain, askers)
    none = torch.zeros(2, 0, dtype=torch.int64)
    known = _known(world, askers, wanted.domain) if wanted.exclude_seen else none
    users = torch.arange(askers.count, device=world.device)
    ranked = rank(
        lambda rows: found.scores[rows],
        users=users,
        # equal scores have one order: who else asks must not change an answer
        n_id=torch.zeros_like(users),
        known=known.to(world.device),
        k=wanted.k,
        candidates=wanted.candidates,
        batch_size=BLOCK,
    )
    return _lists(ranked, found.reason)


def _known(world: World, askers: Askers, domain: str) -> Int[Tensor, "2 _"]:
    """Return (asker, item row) pairs that are not recommended."""
    if bool((askers.person >= world.num_people).all()):
        return askers.history[domain]  # nobody of them is in a graph
    task = world.tasks[domain]
    person = task.data[USER].person.cpu()
    size = 1 + int(torch.cat([person, askers.person]).max())
    asker = torch.full((size,), -1)
    asker[askers.person] = torch.arange(askers.count)
    user, item = task.known.cpu()
    owner = asker[person[user]]
    pairs = torch.stack([owner, item])[:, owner >= 0]
    return torch.cat([pairs, askers.history[domain]], dim=1)


def _lists(ranked: RankedLists, reason: Int[Tensor, " people"]) -> Lists:
    return Lists(ranked.item.cpu(), ranked.score.cpu(), reason)
