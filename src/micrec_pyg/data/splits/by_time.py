"""Interactions divided by time: each user's own, or one moment for everybody."""

import math
from typing import Annotated

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.allowed import Ratios, Seed, one_of
from micrec_pyg.data.splits.leak import LeakClass, promises
from micrec_pyg.data.splits.parts import (
    TEST,
    TRAIN,
    VAL,
    Domains,
    Select,
    check_select,
    cut,
    degrees,
    edge_split,
    held_out,
    places_from_end,
    require_training,
    shares_of,
)
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import EdgeSplit, InputError, Interactions

WITHOUT_TIME = ("error", "random")
WithoutTime = Annotated[str, one_of(*WITHOUT_TIME)]


@promises(LeakClass.CROSS_DOMAIN_FUTURE)
def leave_one_out(
    domains: Domains, *, without_time: WithoutTime, seed: Seed
) -> dict[str, EdgeSplit]:
    """Return the split that tests each user's last interaction.

    The one before it validates and the rest trains. A user with two interactions has
    no validation edge, and one with a single interaction only trains. Interactions
    of equal time are put in random order. All items are seen.

    A test edge lies after its own user's training edges, yet those of other users may
    lie after it: the protocol sees the future of others.

    Args:
        domains: what to split; a domain's split does not depend on the others.
        without_time: what to do with a domain without time: ``error`` refuses it,
            ``random`` puts each user's interactions in random order.
        seed: of the random orders.

    Raises:
        InputError: a domain without time, or an unknown option.
    """
    if without_time not in WITHOUT_TIME:
        raise InputError(
            f"without_time={without_time!r} is unknown; valid: "
            f"{', '.join(WITHOUT_TIME)}"
        )
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        time = data.time
        if without_time == "error":
            time = _time(name, data, ", or split.without_time=random")
        place = places_from_end(data, streams("split", name), time=time)
        spare = (degrees(data) - 1).clamp(min=0)[:, None]
        bounds = torch.minimum(torch.tensor([1, 2]), spare)
        splits[name] = edge_split(data, cut(data, place, bounds), None)
    return splits


@promises(LeakClass.CROSS_DOMAIN_FUTURE)
def user_time(domains: Domains, *, ratios: Ratios, seed: Seed) -> dict[str, EdgeSplit]:
    """Return each user's interactions divided in the order of their time.

    The first ones train, the next validate, the last are tested; how many, follows
    the rounding rule of ``split.random_ratio``. Interactions of equal time are put in
    random order. All items are seen. As in ``leave_one_out``, others' training edges
    may lie after a user's test edges.

    Args:
        domains: what to split; a domain's split does not depend on the others.
        ratios: train, validation, test; only their proportions count.
        seed: of the rounding and of the order of equal times.

    Raises:
        InputError: impossible ratios, or a domain without time.
    """
    shares = shares_of(ratios)
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data, generator = domain.interactions, streams("split", name)
        time = _time(name, data, ", or choose split=random")
        place = places_from_end(data, generator, time=time)
        part = cut(data, place, held_out(data, shares, generator))
        splits[name] = edge_split(data, part, None)
    return splits


@promises(LeakClass.NONE)
def global_time(
    domains: Domains, *, ratios: Ratios, select: Select
) -> dict[str, EdgeSplit]:
    """Return all domains divided at the same two moments.

    The interactions of all domains are pooled and put in order of time. Those before
    the first moment train, those from the second on are tested, those between
    validate. The moments are times of interactions, and equal times are never
    separated: train holds at most its share of the pool, train and validation
    together at most theirs. So no domain sees another's future, and nothing is drawn.

    Users and items without a training edge are new, and they bring no support: at
    the test, messages flow on training edges alone. The clocks of the domains
    must agree, which nobody can check here.

    Args:
        domains: what to split; the moments depend on all of them.
        ratios: train, validation, test of the pool; only their proportions count.
        select: what validation ranks: ``seen`` nodes, or ``new`` ones too.

    Raises:
        InputError: impossible ratios, a domain without time, or one without an
            interaction before the first moment.
    """
    check_select(select)
    shares = shares_of(ratios)
    times = {
        name: _time(name, domain.interactions, ", or choose split=random")
        for name, domain in domains.items()
    }
    pool = torch.cat(list(times.values())).sort().values
    splits = {}
    for name, domain in domains.items():
        data, time = domain.interactions, times[name]
        part = torch.full_like(data.user, TRAIN)
        part[_from(time, pool, shares[TRAIN])] = VAL
        part[_from(time, pool, shares[TRAIN] + shares[VAL])] = TEST
        require_training(
            name,
            part,
            "nothing of it lies before the first cut of all domains together; give "
            "train a larger share, or check that the domains' times are on one clock",
        )
        seen_item = torch.zeros(len(data.items), dtype=torch.bool)
        seen_item[data.item[part == TRAIN]] = True
        splits[name] = edge_split(data, part, seen_item, select)
    return splits


def _time(name: str, data: Interactions, otherwise: str) -> Int[Tensor, " edges"]:
    """Return the times of a domain's interactions."""
    if data.time is None:
        raise InputError(
            f"domain '{name}' has no time; needed: a column timestamp or order in its "
            f"interactions table{otherwise}"
        )
    return data.time


def _from(time: Tensor, pool: Tensor, share: float) -> Tensor:
    """Return which times lie at or after the moment that ends a share of the pool."""
    before = math.floor(round(len(pool) * share, 6))  # 0.7 + 0.1 is below 0.8
    if before >= len(pool):
        return torch.zeros_like(time, dtype=torch.bool)
    return time >= pool[before]
