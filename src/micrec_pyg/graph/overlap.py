"""The people behind the users of all domains, and the controls of who is one person.

A person is a row in the union of the users of all domains. Two accounts of one
person are linked. The controls renumber accounts, so links disappear or change, and
no account does.
"""

import logging
from collections.abc import Mapping
from itertools import combinations

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.graph.node_rows import places
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Pair, Vocab

logger = logging.getLogger(__name__)

People = Mapping[str, Int[Tensor, " _"]]
"""By domain: the person of each of its users."""
Seen = Mapping[str, Bool[Tensor, " _"]]
"""By domain: which of its users are in the training graph."""


def people_of(users: Mapping[str, Vocab]) -> dict[str, Int[Tensor, " _"]]:
    """Return the person of every user: the place of the raw id among all of them.

    The ids of all domains are in alphabetical order, so the numbers depend on the set
    of ids alone.
    """
    if not users:
        return {}
    everybody = Vocab(pl.concat([v.ids for v in users.values()]).unique().sort())
    return {name: everybody.index(vocab.ids) for name, vocab in users.items()}


def links(people: People) -> dict[Pair, Int[Tensor, "2 _"]]:
    """Return the rows of the same people for every pair of domains a < b.

    Row 0 holds places in ``people[a]``, ascending; row 1 those of the same people in
    ``people[b]``.
    """
    size = 1 + max((int(p.max()) for p in people.values() if len(p)), default=-1)
    found = {}
    for a, b in combinations(sorted(people), 2):
        in_b = places(people[b], size)[people[a]]
        in_a = (in_b >= 0).nonzero().flatten()
        found[a, b] = torch.stack([in_a, in_b[in_a]])
    return found


def keep_links(
    people: People, seen: Seen, *, ratio: float, seed: int
) -> dict[str, Int[Tensor, " _"]]:
    """Return the people after hiding the links of some: each account is then a person.

    Whoever keeps a link keeps those to all domains, so that no hidden link follows
    from two others. The kept people are the first ``round(ratio * n)`` of a random
    order, so with one seed a smaller ratio keeps some of those that a larger one
    keeps. The n people with a link in training are divided so, and by themselves the
    people whose links only later stages have.

    Args:
        people: What ``people_of`` returned.
        seen: Who is in the training graph.
        ratio: Share of the people with a link who keep theirs, in [0, 1].
        seed: Of the order; beside it the raw ids alone decide.
    """
    accounts, trained = _accounts(people, seen)
    if ratio == 1:
        return dict(people)
    streams = RandomStreams(seed)
    hidden = torch.zeros(len(accounts[0]), dtype=torch.bool)
    shared = accounts.sum(0) > 1
    in_training = trained.sum(0) > 1
    for name, group in (
        ("links", in_training),
        ("links of later stages", shared & ~in_training),
    ):
        members = group.nonzero().flatten()
        order = torch.randperm(len(members), generator=streams("overlap", name))
        count = round(ratio * len(members))
        hidden[members[order[count:]]] = True
        if name == "links" and len(members):
            logger.info(
                "overlap_ratio=%g: %d of %d shared users keep their links in training",
                ratio,
                count,
                len(members),
            )
    return _apart(people, hidden)


def random_pairs(
    people: People, seen: Seen, *, seed: int
) -> dict[str, Int[Tensor, " _"]]:
    """Return the people after giving every linked account to a random other person.

    A placebo: whatever a model gains from these links, it does not gain from knowing
    a person. People with the same domains, and in training with the same ones, are
    put into one random circle. The account in the j-th of these domains goes to the
    person j places further on. So all who were linked are, nobody to an account of
    their own, and people of several domains stay whole. Where a circle has fewer
    people than domains, that cannot be done, and the links disappear.

    Args:
        people: What ``people_of`` or ``keep_links`` returned.
        seen: Who is in the training graph.
        seed: Of the circles.
    """
    names = sorted(people)
    accounts, trained = _accounts(people, seen)
    kinds = torch.cat([accounts, trained])[:, accounts.sum(0) > 1].unique(dim=1).T
    streams = RandomStreams(seed)
    table = {name: torch.arange(accounts.shape[1]) for name in names}
    lonely = torch.zeros(accounts.shape[1], dtype=torch.bool)
    for kind in kinds:
        mine = (torch.cat([accounts, trained]).T == kind).all(1).nonzero().flatten()
        has, old = kind.split(len(names))
        domains = [name for name, flag in zip(names, has, strict=True) if flag]
        if len(mine) < len(domains):
            logger.warning(
                "domains %s: %d shared users are too few to pair each with another; "
                "these links are hidden",
                ", ".join(domains),
                len(mine),
            )
            lonely[mine] = True
            continue
        known = [name for name, flag in zip(names, old, strict=True) if flag]
        generator = streams("overlap", "random pairs", *domains, "/", *known)
        circle = mine[torch.randperm(len(mine), generator=generator)]
        for step, name in enumerate(domains):
            table[name][circle] = circle.roll(-step)
    apart = _apart(people, lonely)
    size = accounts.shape[1]
    return {
        name: torch.where(mine < size, table[name][mine.clamp(max=size - 1)], mine)
        for name, mine in apart.items()
    }


def _accounts(
    people: People, seen: Seen
) -> tuple[Bool[Tensor, "domains people"], Bool[Tensor, "domains people"]]:
    """Return in which domains each person has an account, and one in training."""
    size = 1 + max((int(p.max()) for p in people.values() if len(p)), default=-1)
    accounts = torch.zeros(len(people), size, dtype=torch.bool)
    trained = torch.zeros_like(accounts)
    for row, name in enumerate(sorted(people)):
        accounts[row, people[name]] = True
        trained[row, people[name][seen[name]]] = True
    return accounts, trained


def _apart(
    people: People, hidden: Bool[Tensor, " people"]
) -> dict[str, Int[Tensor, " _"]]:
    """Return the people after making each account of the hidden ones a person.

    The account in the first domain keeps the number, others get numbers of their own.
    """
    taken = torch.zeros_like(hidden)
    free = len(hidden)
    found = {}
    for name in sorted(people):
        mine = people[name].clone()
        again = (hidden & taken)[mine]
        taken[mine] = True
        count = int(again.sum())
        mine[again] = free + torch.arange(count)
        found[name], free = mine, free + count
    return {name: found[name] for name in people}
