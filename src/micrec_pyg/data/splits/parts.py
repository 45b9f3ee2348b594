"""What all splits share: orders within a user, rounding, parts and their edges.

Every draw is made in the order of the raw ids, not of the rows. So a split is the
same set of raw pairs however the rows of the data are sorted.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.allowed import one_of
from micrec_pyg.schema import (
    Domain,
    DomainCatalogue,
    EdgeSplit,
    InputError,
    Interactions,
    Vocab,
)

PARTS = ("train", "val", "test", "support", "silent", "val_support")
"""The parts of an ``EdgeSplit``; a part's number is its place here."""
TRAIN, VAL, TEST, SUPPORT, SILENT, VAL_SUPPORT = range(len(PARTS))

SELECT = ("seen", "new")
"""What validation can rank: seen nodes alone, or new ones too."""
Select = Annotated[str, one_of(*SELECT)]

Domains = Mapping[str, DomainCatalogue] | Mapping[str, Domain]


def shares_of(ratios: Sequence[int | float]) -> Float[np.ndarray, "3"]:
    """Return train, validation and test as shares of one.

    Raises:
        InputError: not three finite numbers, the first above 0, the others from 0.
    """
    values = np.asarray(ratios, dtype=np.float64)
    good = values.shape == (3,) and bool(np.isfinite(values).all())
    if not good or values[0] <= 0 or values.min() < 0:
        raise InputError(
            f"ratios={list(ratios)}; needed: three numbers for train (above 0), "
            "validation and test, such as [7, 1, 2]"
        )
    total: np.float64 = values.sum()
    return np.divide(values, total)


def check_share(name: str, value: int | float) -> None:
    """Check a share in [0, 1).

    Raises:
        InputError: it lies outside.
    """
    if not 0 <= value < 1:
        raise InputError(f"{name}={value}; needed: at least 0, below 1")


def places_from_end(
    data: Interactions, generator: torch.Generator, *, time: Tensor | None
) -> Int[Tensor, " edges"]:
    """Return how many edges of the same user come after each edge.

    In the order of time, where equal times are in random order; without time the
    whole order is random.
    """
    user = data.user
    key = _rank(data.users)[user] * len(data.items) + _rank(data.items)[data.item]
    order = key.argsort()[torch.randperm(len(user), generator=generator)]
    if time is not None:
        order = order[time[order].argsort(stable=True)]
    order = order[user[order].argsort(stable=True)]
    end = degrees(data).cumsum(0)
    place = torch.empty_like(user)
    place[order] = end[user[order]] - 1 - torch.arange(len(user))
    return place


def degrees(data: Interactions) -> Int[Tensor, " users"]:
    """Return how many edges each user has."""
    return torch.bincount(data.user, minlength=len(data.users))


def uniform_per_user(
    data: Interactions, generator: torch.Generator
) -> Float[Tensor, " users"]:
    """Return one number per user, uniform in [0, 1), float64."""
    drawn = torch.rand(len(data.users), generator=generator, dtype=torch.float64)
    return drawn[_rank(data.users)]


def held_out(
    data: Interactions, shares: Float[np.ndarray, "3"], generator: torch.Generator
) -> Int[Tensor, "users 2"]:
    """Return per user the number of test edges, and of test and validation edges.

    By the rounding rule of ``split.random_ratio``.
    """
    wanted = torch.tensor([shares[TEST], shares[VAL] + shares[TEST]])
    count = degrees(data)
    offset = uniform_per_user(data, generator)
    bounds = (count[:, None] * wanted + offset[:, None]).floor().long()
    return torch.minimum(bounds, (count - 1).clamp(min=0)[:, None])


def cut(
    data: Interactions, place: Int[Tensor, " edges"], bounds: Int[Tensor, "users 2"]
) -> Int[Tensor, " edges"]:
    """Return the part of each edge: the last ones test, those before validation.

    Args:
        data: the edges.
        place: of each edge in its user's order, 0 is the last.
        bounds: per user the number of test edges, and of test and validation edges.
    """
    part = torch.full_like(data.user, TRAIN)
    part[place < bounds[data.user, 1]] = VAL
    part[place < bounds[data.user, 0]] = TEST
    return part


def random_parts(
    data: Interactions, shares: Float[np.ndarray, "3"], generator: torch.Generator
) -> Int[Tensor, " edges"]:
    """Return the part of each edge by the rule of ``split.random_ratio``."""
    place = places_from_end(data, generator, time=None)
    return cut(data, place, held_out(data, shares, generator))


def edge_split(
    data: Interactions,
    part: Int[Tensor, " edges"],
    seen_item: Bool[Tensor, " items"] | None,
    select: str = "seen",
) -> EdgeSplit:
    """Return the edges of each part, in the order of the data.

    Seen are the users with a training edge, and the items given; None means all,
    because the catalogue is known: also items without a training edge.

    Args:
        data: the edges.
        part: of each edge.
        seen_item: which items are in the training graph.
        select: what validation ranks, one of ``SELECT``; with ``new`` the support
            edges are known at validation already.
    """
    if select == "new":
        part = torch.where(part == SUPPORT, VAL_SUPPORT, part)
    seen_user = torch.zeros(len(data.users), dtype=torch.bool)
    seen_user[data.user[part == TRAIN]] = True
    if seen_item is None:
        seen_item = torch.ones(len(data.items), dtype=torch.bool)
    edges: dict[str, Any] = {
        name: data.edges[:, part == code] for code, name in enumerate(PARTS)
    }
    return EdgeSplit(**edges, seen_user=seen_user, seen_item=seen_item, select=select)


def check_select(select: str) -> None:
    """Check the rule of selection.

    Raises:
        InputError: it is unknown.
    """
    if select not in SELECT:
        raise InputError(f"select={select!r} is unknown; valid: {', '.join(SELECT)}")


def require_training(name: str, part: Int[Tensor, " edges"], reason: str) -> None:
    """Check that a domain keeps a training edge.

    Raises:
        InputError: it has none; the message gives the reason.
    """
    if not (part == TRAIN).any():
        raise InputError(f"domain '{name}': no training edge is left: {reason}")


def uniform_by_hash(ids: pl.Series, salt: str) -> Float[np.ndarray, " ids"]:
    """Return one number in [0, 1] per raw id, by a hash of the salt and the id.

    It depends on nothing else: not on the order of the ids or on other ids.
    """
    hashes = b"".join(
        hashlib.blake2b(f"{salt}/{raw}".encode(), digest_size=8).digest() for raw in ids
    )
    return np.frombuffer(hashes, dtype="<u8") / 2.0**64


def raw_pairs(data: Interactions) -> pl.DataFrame:
    """Return the raw ids (user, item) of every edge, in the order of the data."""
    return pl.DataFrame(
        {
            "user": data.users.ids.gather(data.user.tolist()),
            "item": data.items.ids.gather(data.item.tolist()),
        },
        schema={"user": pl.String, "item": pl.String},
    )


def _rank(vocab: Vocab) -> Int[Tensor, " nodes"]:
    """Return the place of each node in the order of raw ids."""
    order = torch.from_numpy(
        vocab.ids.arg_sort().cast(pl.Int64).to_numpy(writable=True)
    )
    return order.argsort()
