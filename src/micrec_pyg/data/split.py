"""Interactions divided into train, support, validation and test edges.

A split reads ``.interactions`` of its argument alone, and every function is a pure
function of it, its options and the seed. Later protocols (new interactions, zero
shot) belong here as further functions with the same result type.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.schema import (
    Catalogue,
    Domain,
    EdgeSplit,
    InputError,
    Interactions,
    RandomStreams,
    Vocab,
)

TRAIN, VAL, TEST = 0, 1, 2

Domains = Mapping[str, Catalogue] | Mapping[str, Domain]


def random_ratio(
    domains: Domains, *, ratios: Sequence[int | float], seed: int
) -> dict[str, EdgeSplit]:
    """Return a random split of every user's interactions; all items are seen.

    Rounding: a user with n interactions draws one number v, uniform in [0, 1), and
    gets floor(n*test + v) test edges, floor(n*(val + test) + v) test and validation
    edges together, and the rest for training. So each part's size is right on
    average and less than one edge off for everybody. At least one edge stays in
    training: a user with a single interaction only trains.

    Users with a training edge are seen. Every item is seen, because the catalogue is
    known in this protocol, also items without a training edge.

    Args:
        domains: what to split; a domain's split does not depend on the others.
        ratios: train, validation, test; only their proportions count.
        seed: of the draw.

    Raises:
        InputError: impossible ratios.
    """
    shares = _shares(ratios)
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        part = _random_parts(data, shares, streams("split", name))
        splits[name] = _known_catalogue(data, part)
    return splits


def new_nodes(
    domains: Domains,
    *,
    ratios: Sequence[int | float],
    unseen_share: int | float,
    seed: int,
) -> dict[str, EdgeSplit]:
    """Return the new-users/new-items protocol (method page, section 5).

    A share of users and items is new; the others are old. The edges are divided as
    ``random_ratio`` does with the same seed; of its training edges those between two
    old nodes are ``train``, and those that touch a new node are ``support``: known
    only at inference. Validation and test edges stay as they are.

    Whether a user is new follows from the seed and the raw id alone, so a user of
    several domains is new in all of them or in none, and other domains change
    nothing. The same holds for an item within its domain. The share is therefore
    right on average, not exactly.

    Seen are old items, also those without any edge (their ids are known), and old
    users with at least one training edge.

    Args:
        domains: what to split.
        ratios: train, validation, test; only their proportions count.
        unseen_share: share of the users and of the items that is new, in [0, 1).
        seed: of all draws.

    Raises:
        InputError: impossible ratios or share, or a domain keeps no training edge.
    """
    if not 0 <= unseen_share < 1:
        raise InputError(f"unseen_share={unseen_share}; needed: at least 0, below 1")
    shares = _shares(ratios)
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        part = _random_parts(data, shares, streams("split", name))
        old_user = _is_old(data.users, f"{seed}/user", unseen_share)
        old_item = _is_old(data.items, f"{seed}/item/{name}", unseen_share)
        old = old_user[data.user] & old_item[data.item]
        training = part == TRAIN
        if not (training & old).any():
            raise InputError(
                f"domain '{name}': no training edge joins two old nodes with "
                f"unseen_share={unseen_share}; use a smaller share or more data"
            )
        splits[name] = _edge_split(
            data, training & old, training & ~old, part, old_item
        )
    return splits


def ready(domains: Domains) -> dict[str, EdgeSplit]:
    """Return the split that came with the data (column ``x_label``).

    Users with a training edge are seen, and every item is, as in ``random_ratio``.

    Raises:
        InputError: a domain has none, or has no training edge.
    """
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        if data.part is None:
            raise InputError(
                f"domain '{name}' has no ready split; needed: a column x_label "
                "(0 train, 1 validation, 2 test) in its interactions table, "
                "or choose split=random"
            )
        if not (data.part == TRAIN).any():
            raise InputError(f"domain '{name}': no row has x_label 0 (train)")
        splits[name] = _known_catalogue(data, data.part)
    return splits


def _known_catalogue(data: Interactions, part: Int[Tensor, " edges"]) -> EdgeSplit:
    """Return a split without support edges, in which every item is seen."""
    training = part == TRAIN
    known = torch.ones(len(data.items), dtype=torch.bool)
    return _edge_split(data, training, torch.zeros_like(training), part, known)


def _edge_split(
    data: Interactions,
    train: Bool[Tensor, " edges"],
    support: Bool[Tensor, " edges"],
    part: Int[Tensor, " edges"],
    seen_item: Bool[Tensor, " items"],
) -> EdgeSplit:
    """Return the edges by their masks, in the order of the data."""
    edges = data.edges
    seen_user = torch.zeros(len(data.users), dtype=torch.bool)
    seen_user[data.user[train]] = True
    return EdgeSplit(
        train=edges[:, train],
        support=edges[:, support],
        val=edges[:, part == VAL],
        test=edges[:, part == TEST],
        seen_user=seen_user,
        seen_item=seen_item,
    )


def _shares(ratios: Sequence[int | float]) -> Float[np.ndarray, "3"]:
    """Return train, validation and test as shares of one."""
    values = np.asarray(ratios, dtype=np.float64)
    good = values.shape == (3,) and bool(np.isfinite(values).all())
    if not good or values[0] <= 0 or values.min() < 0:
        raise InputError(
            f"ratios={list(ratios)}; needed: three numbers for train (above 0), "
            "validation and test, such as [7, 1, 2]"
        )
    total: np.float64 = values.sum()
    return np.divide(values, total)


def _random_parts(
    data: Interactions, shares: Float[np.ndarray, "3"], generator: torch.Generator
) -> Int[Tensor, " edges"]:
    """Return TRAIN, VAL or TEST per edge, by the rounding rule of ``random_ratio``."""
    user = data.user
    count = torch.bincount(user, minlength=len(data.users))
    mixed = torch.randperm(len(user), generator=generator)
    grouped = mixed[torch.argsort(user[mixed], stable=True)]
    start = count.cumsum(0) - count
    # place of an edge in its own user's random order
    place = torch.empty_like(user)
    place[grouped] = torch.arange(len(user)) - start[user[grouped]]

    offset = torch.rand(len(count), generator=generator, dtype=torch.float64)
    held = (count * (shares[VAL] + shares[TEST]) + offset).floor().long()
    held = torch.minimum(held, (count - 1).clamp(min=0))
    tested = torch.minimum((count * shares[TEST] + offset).floor().long(), held)
    part = torch.full_like(user, TRAIN)
    part[place < held[user]] = VAL
    part[place < tested[user]] = TEST
    return part


def _is_old(
    vocab: Vocab, salt: str, unseen_share: int | float
) -> Bool[Tensor, " nodes"]:
    """Return which nodes are old, by a hash of the salt and the raw id."""
    hashes = b"".join(
        hashlib.blake2b(f"{salt}/{raw}".encode(), digest_size=8).digest()
        for raw in vocab.ids
    )
    uniform = np.frombuffer(hashes, dtype="<u8") / 2.0**64
    return torch.from_numpy(uniform >= unseen_share)
