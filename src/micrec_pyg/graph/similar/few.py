"""Exact nearest neighbours of a few nodes among many that are there already.

The same lists as ``search.neighbor_lists`` would give these nodes, ties included:
products only propose, and candidates are scored by the definition in float64.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, best_pairs
from micrec_pyg.graph.similar.search import BLOCK_ELEMENTS, TINY, rounding, vector_norms


def few_neighbors(
    asked: Sequence[Modality], there: Sequence[Modality], *, k: int
) -> NeighborLists:
    """Return the k most similar of the nodes that are there, for every asked one.

    Args:
        asked: The modalities of the nodes that ask, those of ``there`` in their order.
        there: The modalities of the nodes that are searched; at least one.
        k: Columns of the result, at least one.
    """
    inverse = [[inverse_norms(m) for m in side] for side in (asked, there)]
    size = len(there[0].mask)
    rows = torch.arange(len(asked[0].mask), device=asked[0].mask.device)
    found = [
        _block(block, asked, there, inverse, k)
        for block in rows.split(max(1, BLOCK_ELEMENTS // size))
    ]
    return NeighborLists(
        torch.cat([lists.index for lists in found]),
        torch.cat([lists.similarity for lists in found]),
    )


def inverse_norms(modality: Modality) -> Float[Tensor, " nodes"]:
    """Return 1 / length in float64; a zero vector has cosine 0 with everything."""
    length = vector_norms(modality.values)
    return torch.where(length > TINY, 1 / length, 0.0)


def _block(
    rows: Int[Tensor, " rows"],
    asked: Sequence[Modality],
    there: Sequence[Modality],
    inverse: Sequence[Sequence[Tensor]],
    k: int,
) -> NeighborLists:
    total = torch.zeros(len(rows), len(there[0].mask), device=rows.device)
    weight = torch.zeros_like(total)
    for mine, other, one, two in zip(asked, there, *inverse, strict=True):
        scaled = mine.values[rows] * (mine.weight * one[rows]).float()[:, None]
        total += (scaled @ other.values.T) * two.float()
        weight += mine.weight * (mine.mask[rows, None] & other.mask).float()
    total /= weight.clamp(min=torch.finfo(torch.float32).tiny)
    bound = total.new_zeros(len(rows))
    if total.shape[1] > k:
        bound = total.topk(k, dim=1).values[:, -1].clamp(min=0)
    width = sum(m.values.shape[1] for m in there)
    close = (total >= (bound - rounding(width))[:, None]) & (total != 0)
    row, col = close.nonzero(as_tuple=True)
    similarity = similarities(rows[row], col, asked, there, inverse)
    return best_pairs(row, col, similarity, shape=(len(rows), k))


def similarities(
    a: Int[Tensor, " pairs"],
    b: Int[Tensor, " pairs"],
    asked: Sequence[Modality],
    there: Sequence[Modality],
    inverse: Sequence[Sequence[Tensor]],
) -> Float[Tensor, " pairs"]:
    """Return s(a, b) as it is defined, in float64, rounded to float32.

    Args:
        a: Rows of ``asked``.
        b: As many rows of ``there``.
        asked: Modalities of the nodes on one side.
        there: Those of the other side.
        inverse: ``inverse_norms`` of both sides.
    """
    total = torch.zeros(len(a), dtype=torch.float64, device=a.device)
    weight = torch.zeros_like(total)
    for mine, other, one, two in zip(asked, there, *inverse, strict=True):
        dot = (mine.values[a].double() * other.values[b]).sum(dim=1)
        total += mine.weight * dot * one[a] * two[b]
        weight += mine.weight * (mine.mask[a] & other.mask[b]).double()
    return torch.where(weight > 0, total / weight.clamp(min=TINY), 0.0).float()
