"""The users that two domains share, found by raw id, and what training knows of it."""

import logging
from collections.abc import Mapping
from itertools import combinations

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.graph.node_rows import places
from micrec_pyg.schema import Pair, RandomStreams, Vocab

logger = logging.getLogger(__name__)


def shared_users(
    users: Mapping[str, Vocab], n_id: Mapping[str, Int[Tensor, " _"]]
) -> dict[Pair, Int[Tensor, "2 _"]]:
    """Return the graph rows of common users for every pair of domains a < b.

    Row 0 holds rows of a's graph, ascending; row 1 the same people in b's. A
    user who is missing in one of the two graphs is left out.

    Args:
        users: The vocabulary of each domain.
        n_id: Vocabulary index of each user row of each domain's graph.
    """
    row = {name: places(n_id[name], len(vocab)) for name, vocab in users.items()}
    shared = {}
    for a, b in combinations(sorted(users), 2):
        in_b = users[b].index(users[a].ids)
        in_a = (in_b >= 0).nonzero().flatten()
        rows = torch.stack([row[a][in_a], row[b][in_b[in_a]]])
        shared[a, b] = rows[:, (rows >= 0).all(0)]
    return shared


def keep_links(
    shared: Mapping[Pair, Int[Tensor, "2 _"]],
    ids: Mapping[str, pl.Series],
    *,
    ratio: float,
    seed: int,
) -> dict[Pair, Int[Tensor, "2 _"]]:
    """Return the links of a share of the shared users; the others' are hidden.

    No user disappears: only who is one person is forgotten. Whoever keeps a link
    keeps those to all domains, so that no hidden link follows from two others. The
    kept users are the first ``round(ratio * n)`` of a random order, so with one seed
    a smaller ratio keeps some of those that a larger one keeps.

    Args:
        shared: What ``shared_users`` returned.
        ids: Raw user id of each user row of each domain's graph.
        ratio: Share of the users with a link who keep theirs, in [0, 1].
        seed: Of the order; beside it the raw ids alone decide.
    """
    person = {(a, b): ids[a].gather(rows[0].numpy()) for (a, b), rows in shared.items()}
    if ratio == 1 or not person:
        return dict(shared)
    people = Vocab(pl.concat(list(person.values())).unique().sort())
    order = torch.randperm(
        len(people), generator=RandomStreams(seed)("overlap", "links")
    )
    count = round(ratio * len(people))
    kept = torch.zeros(len(people), dtype=torch.bool)
    kept[order[:count]] = True
    logger.info(
        "overlap_ratio=%g: %d of %d shared users keep their links in training",
        ratio,
        count,
        len(people),
    )
    return {
        pair: rows[:, kept[people.index(person[pair])]] for pair, rows in shared.items()
    }


def random_pairs(
    shared: Mapping[Pair, Int[Tensor, "2 _"]], *, seed: int
) -> dict[Pair, Int[Tensor, "2 _"]]:
    """Return the same users of every two domains, each paired with a random other.

    A placebo: whatever a contrastive loss gains from these pairs, it does not gain
    from knowing a person. Of all ways to pair nobody with themselves one is drawn
    uniformly. A lone shared user has no other and is left out.

    Args:
        shared: What ``shared_users`` or ``keep_links`` returned.
        seed: Of the pairing.
    """
    streams = RandomStreams(seed)
    paired = {}
    for (a, b), rows in shared.items():
        if rows.shape[1] == 1:
            logger.warning("domains %s and %s share one user: no random pair", a, b)
            rows = rows[:, :0]
        place = _derangement(rows.shape[1], streams("overlap", "random pairs", a, b))
        paired[a, b] = torch.stack([rows[0], rows[1, place]])
    return paired


def _derangement(n: int, generator: torch.Generator) -> Int[Tensor, " n"]:
    """Return a random permutation that moves every place."""
    still = torch.arange(n)
    place = torch.randperm(n, generator=generator)
    while (place == still).any():  # about e draws are needed
        place = torch.randperm(n, generator=generator)
    return place
