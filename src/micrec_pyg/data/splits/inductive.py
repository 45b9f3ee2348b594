"""Splits whose test holds more than training saw (method page, section 5)."""

import logging
from collections.abc import Iterator
from typing import Annotated

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.allowed import PartialShare, Ratios, Seed, one_of
from micrec_pyg.data.splits.leak import LeakClass, promises
from micrec_pyg.data.splits.parts import (
    SILENT,
    SUPPORT,
    TEST,
    TRAIN,
    VAL,
    Domains,
    Select,
    check_select,
    check_share,
    cut,
    degrees,
    edge_split,
    held_out,
    places_from_end,
    random_parts,
    require_training,
    shares_of,
    uniform_by_hash,
    uniform_per_user,
)
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import EdgeSplit, InputError, Interactions

GRAPHS = {"old": SILENT, "full": SUPPORT}
"""What becomes of the new interactions at the test."""

logger = logging.getLogger(__name__)


@promises(LeakClass.USER_FUTURE)
def new_interactions(
    domains: Domains,
    *,
    ratios: Ratios,
    new_share: PartialShare,
    graph: Annotated[str, one_of(*GRAPHS)],
    seed: Seed,
) -> dict[str, EdgeSplit]:
    """Return the new-interactions protocol: old users go on with old items.

    Validation and test edges are those of ``split.random_ratio`` with the same seed.
    Of each user's training edges a random share is new: training does not have them.
    Their number is floor(n*new_share + v) with v uniform in [0, 1), and at least one
    edge stays. All items and all users with an edge are seen.

    Training and the pairs that are tested and excluded do not depend on ``graph``:
    two runs that differ in it differ only in the graph of the test.

    Args:
        domains: what to split; a domain's split does not depend on the others.
        ratios: train, validation, test; only their proportions count.
        new_share: share of a user's training edges that is new, in [0, 1).
        graph: of the test: ``old`` leaves the new edges out (``silent``), ``full`` has
            them (``support``).
        seed: of all draws.

    Raises:
        InputError: impossible ratios or share, or an unknown graph.
    """
    if graph not in GRAPHS:
        raise InputError(f"graph={graph!r} is unknown; valid: {', '.join(GRAPHS)}")
    check_share("new_share", new_share)
    shares = shares_of(ratios)
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data, generator = domain.interactions, streams("split", name)
        place = places_from_end(data, generator, time=None)
        bounds = held_out(data, shares, generator)
        part = cut(data, place, bounds)
        left = degrees(data) - bounds[:, 1]
        offset = uniform_per_user(data, generator)
        new = (left * new_share + offset).floor().long()
        new = torch.minimum(new, (left - 1).clamp(min=0))
        late = place < (bounds[:, 1] + new)[data.user]
        part[(part == TRAIN) & late] = GRAPHS[graph]
        splits[name] = edge_split(data, part, None)
    return splits


@promises(LeakClass.USER_FUTURE)
def new_nodes(
    domains: Domains,
    *,
    ratios: Ratios,
    unseen_share: PartialShare,
    select: Select,
    seed: Seed,
) -> dict[str, EdgeSplit]:
    """Return the new-users/new-items protocol.

    A share of users and items is new; the others are old. The edges are divided as
    ``split.random_ratio`` does with the same seed; of its training edges those between
    two old nodes are ``train``, and those that touch a new node are ``support``: known
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
        select: what validation ranks: ``seen`` nodes on the graph of training, or
            ``new`` ones too, with their support edges. Training, validation and test
            have the same edges in both.
        seed: of all draws.

    Raises:
        InputError: impossible options, or a domain keeps no training edge.
    """
    check_select(select)
    return {
        name: edge_split(data, part, old_item, select)
        for name, data, part, old_item in _divided(domains, ratios, unseen_share, seed)
    }


@promises(LeakClass.USER_FUTURE)
def zero_edge(
    domains: Domains,
    *,
    ratios: Ratios,
    unseen_share: PartialShare,
    select: Select,
    seed: Seed,
) -> dict[str, EdgeSplit]:
    """Return the zero-edge protocol: ``new_nodes`` whose new items bring features only.

    Nobody has touched a new item yet, so all its interactions are test edges. The
    new items and users are those of ``new_nodes`` with the same seed, and edges of
    old items are divided as there; new users so bring support edges to old items.

    Args:
        domains: what to split.
        ratios: train, validation, test of the edges of old items.
        unseen_share: share of the users and of the items that is new, in [0, 1).
        select: what validation ranks: ``seen`` nodes, or ``new`` ones too. Then it
            has pairs of new items: those that are its own under ``new_nodes``. The
            test has the others.
        seed: of all draws.

    Raises:
        InputError: as in ``new_nodes``.
    """
    check_select(select)
    splits = {}
    for name, data, part, old_item in _divided(domains, ratios, unseen_share, seed):
        part[_tested(~old_item[data.item], part, select)] = TEST
        splits[name] = edge_split(data, part, old_item, select)
    return splits


@promises(LeakClass.USER_FUTURE)
def history_elsewhere(
    domains: Domains,
    *,
    ratios: Ratios,
    share: PartialShare,
    select: Select,
    seed: Seed,
) -> dict[str, EdgeSplit]:
    """Return the protocol of users who have a history in another domain only.

    A random share of the users of several domains is drawn, and for each of these
    users one of their domains, the target. There all edges of the user are test
    edges: the user is new and brings no support. Everything else is divided as
    ``split.random_ratio`` does with the same seed, so in every other domain of theirs
    the user has training edges. Every domain is the target of users of its own. All
    items are seen.

    The draws are hashes of the seed and the raw ids; who is shared, and where,
    depends on all domains.

    Args:
        domains: what to split; at least two.
        ratios: train, validation, test; only their proportions count.
        share: of the users of several domains, in (0, 1).
        select: what validation ranks: ``seen`` nodes, or ``new`` ones too. Then it
            has pairs of the drawn users in their targets: those that are its own under
            ``split.random_ratio``. The test has the others.
        seed: of all draws.

    Raises:
        InputError: impossible options, no shared user or none drawn, or a domain
            keeps no training edge.
    """
    check_select(select)
    shares = shares_of(ratios)
    check_share("share", share)
    targets = _targets(domains, share, seed)
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        part = random_parts(data, shares, streams("split", name))
        part[_tested(targets[name][data.user], part, select)] = TEST
        require_training(name, part, f"too many users are drawn with share={share}")
        splits[name] = edge_split(data, part, None, select)
    return splits


def _divided(
    domains: Domains,
    ratios: Ratios,
    unseen_share: int | float,
    seed: int,
) -> Iterator[tuple[str, Interactions, Int[Tensor, " edges"], Bool[Tensor, " items"]]]:
    """Yield name, data, parts and old items of every domain under ``new_nodes``."""
    check_share("unseen_share", unseen_share)
    shares = shares_of(ratios)
    streams = RandomStreams(seed)
    for name, domain in domains.items():
        data = domain.interactions
        part = random_parts(data, shares, streams("split", name))
        old_user, old_item = (
            torch.from_numpy(uniform_by_hash(vocab.ids, salt) >= unseen_share)
            for vocab, salt in (
                (data.users, f"{seed}/user"),
                (data.items, f"{seed}/item/{name}"),
            )
        )
        old = old_user[data.user] & old_item[data.item]
        part[(part == TRAIN) & ~old] = SUPPORT
        require_training(
            name,
            part,
            f"none joins two old nodes with unseen_share={unseen_share}; use a smaller "
            "share or more data",
        )
        yield name, data, part, old_item


def _tested(
    cold: Bool[Tensor, " edges"], part: Int[Tensor, " edges"], select: str
) -> Bool[Tensor, " edges"]:
    """Return which edges of nodes without a history the test has.

    All, unless validation ranks such nodes too: then it keeps its own.
    """
    return cold & (part != VAL) if select == "new" else cold


def _targets(
    domains: Domains, share: int | float, seed: int
) -> dict[str, Bool[Tensor, " users"]]:
    """Return per domain the users who are tested there without a history."""
    frames = []
    for name, domain in domains.items():
        data = domain.interactions
        ids = data.users.ids.gather(data.user.unique().tolist())
        frames.append(
            pl.DataFrame(
                {
                    "user": ids,
                    "drawn": uniform_by_hash(ids, f"{seed}/elsewhere") < share,
                    "lot": uniform_by_hash(ids, f"{seed}/elsewhere/{name}"),
                }
            ).with_columns(domain=pl.lit(name))
        )
    # a row per user and domain; the domain with the least lot is the target
    shared = pl.concat(frames).filter(pl.len().over("user") > 1)
    targets = shared.filter(
        pl.col("drawn") & (pl.col("lot") == pl.col("lot").min().over("user"))
    )
    if targets.is_empty():
        found = shared["user"].n_unique()
        raise InputError(
            f"history_elsewhere: nobody is drawn of {found} users of several domains "
            f"with share={share}; needed: domains that share users, and a share that "
            "draws some of them"
        )
    chosen = {}
    for name, domain in domains.items():
        mine = targets.filter(pl.col("domain") == name)["user"]
        logger.info("domain %s: %d users have a history elsewhere", name, len(mine))
        ids = domain.interactions.users.ids
        chosen[name] = torch.from_numpy(ids.is_in(mine.implode()).to_numpy())
    return chosen
