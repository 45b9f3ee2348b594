"""Lists of the most similar rows of one table of vectors."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.similar.few import Compared, few_neighbors
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.search import neighbor_lists

Lists = tuple[Int[Tensor, "_rows k"], Float[Tensor, "_rows k"]]
"""The others of every row, most similar first, and their cosines; a list with fewer
than k is padded by the row itself, with 0."""


def similar_rows(values: Float[Tensor, "rows width"], k: int) -> Lists:
    """Return the k most similar other rows of every row.

    Rows of zeros, and those with a cosine of 0 or below, are in no list.

    Args:
        values: The vectors.
        k: Others in a list.
    """
    found = neighbor_lists(
        [_compared(values)], num_nodes=len(values), k=k, include_self=False
    )
    own = torch.arange(len(values), device=values.device).view(-1, 1)
    return torch.where(found.index < 0, own, found.index), found.similarity


def with_new_rows(
    known: Lists,
    values: Float[Tensor, "rows width"],
    old: Int[Tensor, " _old"],
    new: Int[Tensor, " _new"],
) -> Lists:
    """Return the lists of a larger table.

    Those of old rows stay as they are, and new rows find the most similar old ones.

    Args:
        known: Lists of the old rows, counted from 0.
        values: The vectors of the larger table.
        old: Where the old rows are in it.
        new: Where the others are.
    """
    k = known[0].shape[1]
    index, similarity = (part.new_empty(len(values), k) for part in known)
    index[old], similarity[old] = old[known[0]], known[1]
    if len(new) and k:
        there = Compared.of([_compared(values[old])])
        found = few_neighbors(Compared.of([_compared(values[new])]), there, k=k)
        index[new] = torch.where(found.index < 0, new[:, None], old[found.index])
        similarity[new] = found.similarity
    return index, similarity


def _compared(values: Float[Tensor, "rows width"]) -> Modality:
    every = torch.ones(len(values), dtype=torch.bool, device=values.device)
    return Modality("vectors", 1.0, values, every)
