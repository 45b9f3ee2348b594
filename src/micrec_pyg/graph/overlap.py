"""The users that two domains share, found by raw id."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.graph.rows import places
from micrec_pyg.schema import Pair, Vocab, pairs


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
    for a, b in pairs(users):
        in_b = users[b].index(users[a].ids)
        in_a = (in_b >= 0).nonzero().flatten()
        rows = torch.stack([row[a][in_a], row[b][in_b[in_a]]])
        shared[a, b] = rows[:, (rows >= 0).all(0)]
    return shared
