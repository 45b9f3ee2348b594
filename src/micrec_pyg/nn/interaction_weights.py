"""What an interaction weighs before items are compared: 1, tf-idf or BM25.

As in information retrieval, with items as documents and users as words: who took much
says little about each item of theirs.
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.allowed import one_of

NO_WEIGHTS = "none"
Weighting = Annotated[str, one_of(NO_WEIGHTS, "tf-idf", "bm25")]


def totals_of(
    by_item: Float[Tensor, "items users"],
) -> Float[Tensor, " 3"]:
    """Return the number of items, that of users, and the mean users of an item."""
    num_items, num_users = by_item.shape
    mean = by_item.values().numel() / max(num_items, 1)
    counts = [num_items, num_users, mean]
    return torch.tensor(counts, dtype=torch.float64, device=by_item.device)


def interaction_factors(
    by_item: Float[Tensor, "items users"],
    totals: Float[Tensor, " 3"] | None,
    *,
    weighting: Weighting,
    k1: float,
    b: float,
) -> tuple[Float[Tensor, " items"], Float[Tensor, " users"]]:
    """Return f and g such that the interaction of item i and user u weighs f_i g_u.

    g_u is log(N / (1 + number of items of u)), N the number of items. f_i is 1, with
    BM25 (k1 + 1) / (k1 (1 - b + b |U_i| / mean |U|) + 1).

    Args:
        by_item: CSR, a row per item with its users.
        totals: See ``totals_of``; of the training graph, so that new nodes leave the
            weights of all others as they are. Not read without weights.
        weighting: ``none``, ``tf-idf`` or ``bm25``.
        k1: Of BM25.
        b: Of BM25.
    """
    num_items, num_users = by_item.shape
    f, g = (by_item.values().new_ones(n) for n in (num_items, num_users))
    if weighting == NO_WEIGHTS or totals is None:
        return f, g
    taken: Int[Tensor, " users"] = torch.bincount(
        by_item.col_indices(), minlength=num_users
    )
    g = (totals[0] / (1 + taken)).log().float()
    if weighting == "bm25":
        length = by_item.crow_indices().diff()
        f = ((k1 + 1) / (k1 * (1 - b + b * length / totals[2]) + 1)).float()
    return f, g
