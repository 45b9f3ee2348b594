"""Ranked lists of people, as a frame of raw ids."""

import operator
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.evaluation.block_size import users_at_once
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.inference.askers import Askers, known_askers
from micrec_pyg.inference.distinct import tells_items_apart, unlike_nobody
from micrec_pyg.inference.links import (
    CONTENT,
    HISTORY,
    POPULARITY,
    REASONS,
    answer,
    scores_of_nobody,
)
from micrec_pyg.inference.people import People
from micrec_pyg.inference.world import World
from micrec_pyg.nn.inner_products import reusing
from micrec_pyg.schema import ITEM, USER, InputError, RankedLists, Score

BLOCK = 256
"""Guests who are answered at a time."""
OPEN = -1
"""In place of a reason: the model has no answer, so the next link is tried."""


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


def check_length(k: object) -> int:
    """Return the length of lists that is asked for.

    Raises:
        InputError: It is no whole number of 1 or more.
    """
    try:
        length = operator.index(k)  # type: ignore[arg-type]
    except TypeError:
        length = 0
    if length < 1 or isinstance(k, bool):
        raise InputError(f"k={k}: give a whole number of 1 or more")
    return length


def check_exclude_seen(exclude_seen: object) -> bool:
    """Return whether items that are known of a person are left out.

    Raises:
        InputError: It is neither True nor False; "no" would count as true.
    """
    if not isinstance(exclude_seen, bool | np.bool_):
        raise InputError(f"exclude_seen={exclude_seen!r}: give True or False")
    return bool(exclude_seen)


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

    But new items of which the model knows nothing are left out, and whom training did
    not see, and whose scores are the same for all items, get the lists of the links
    that follow the model's.

    Args:
        world: What is known.
        rows: Of the domain's graph.
        wanted: What the lists hold.
    """
    task, rows = world.tasks[wanted.domain], rows.to(world.device)
    known = task.known[:, :0]
    if wanted.exclude_seen:
        known = _pairs_of(task.known, rows)
    reason = HISTORY if world.personal[wanted.domain] else POPULARITY
    each, place = rows.unique(return_inverse=True)
    reasons = torch.full((len(each),), reason, device=world.device)
    score, new = world.scores[wanted.domain], _untrained(world, wanted.domain, each)
    if bool(new.any()):
        nobody = scores_of_nobody(world, wanted.domain)
        score = _noting(score, nobody, each, new, reasons)
    found = rank(
        score,
        users=rows,
        n_id=task.data[USER].n_id[rows],
        known=known,
        k=wanted.k,
        candidates=_heard(world, wanted),
        batch_size=users_at_once(
            world.batch_size, task.data[ITEM].num_nodes, world.device
        ),
    )
    lists = _lists(found, reasons[place].cpu())
    left = (lists.reason == OPEN).nonzero().flatten()
    if len(left):
        people = task.data[USER].person[rows[left.to(rows.device)]].cpu()
        askers = known_askers(world, people)
        part = lists_of_askers(world, askers, wanted, by_model=False)
        lists.item[left], lists.score[left] = part.item, part.score
        lists.reason[left] = part.reason
    return lists


def lists_of_askers(
    world: World, askers: Askers, wanted: Wanted, *, by_model: bool = True
) -> Lists:
    """Return lists by the chain of ``links``.

    Args:
        world: What is known.
        askers: People whom the graph of the domain does not answer.
        wanted: What the lists hold.
        by_model: Whether the model is asked; False where it had no answer already.
    """
    blocks = [
        _block(world, askers.some(rows), wanted, by_model=by_model)
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


def _heard(world: World, wanted: Wanted) -> Bool[Tensor, " items"] | None:
    """Return the candidates of which the model knows anything; None: all items."""
    unheard, candidates = world.rows(wanted.domain).unheard, wanted.candidates
    if unheard is None:
        return candidates
    return ~unheard if candidates is None else candidates & ~unheard


def _untrained(
    world: World, domain: str, rows: Int[Tensor, " users"]
) -> Bool[Tensor, " users"]:
    """Return which users of a domain's graph training did not see."""
    task = world.tasks[domain]
    there = rows if task.user is None else task.user[rows]
    unseen: Tensor = world.graphs[task.graph][USER].train_row[there] < 0
    return unseen


def _noting(
    score: Score,
    nobody: Float[Tensor, " items"],
    each: Int[Tensor, " users"],
    new: Bool[Tensor, " users"],
    reasons: Int[Tensor, " users"],
) -> Score:
    """Return the same scores, and note on the way what those of new users are.

    Args:
        score: Is asked for some users at a time, by several threads at once.
        nobody: Scores of a person without any history.
        each: Rows of all who are ranked, in ascending order.
        new: Who of them is new.
        reasons: Is changed: a new user gets ``OPEN`` where the scores are the same for
            all items, and popularity where they are those of nobody.
    """
    score = reusing(score)

    def noting(rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
        scores, place = score(rows), torch.searchsorted(each, rows)
        reasons[place[new[place] & ~unlike_nobody(scores, nobody)]] = POPULARITY
        reasons[place[new[place] & ~tells_items_apart(scores)]] = OPEN
        return scores

    return noting


def _block(world: World, askers: Askers, wanted: Wanted, *, by_model: bool) -> Lists:
    found = answer(world, wanted.domain, askers, by_model=by_model)
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
