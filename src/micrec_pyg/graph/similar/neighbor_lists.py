"""Lists of neighbours, and how the best pairs become one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

POSITIVE = torch.finfo(torch.float32).eps
"""Similarities up to this are rounding noise around zero; they make no edge."""


@dataclass(frozen=True, eq=False)
class NeighborLists:
    """The neighbours of each node, most similar first, ties by lower index."""

    index: Int[Tensor, "nodes k"]
    """Neighbours; -1 pads where there are fewer than k."""
    similarity: Float[Tensor, "nodes k"]
    """In (0, 1]; 0 at the pads."""

    def to(self, device: str) -> "NeighborLists":
        """Return them on a device; no copy if they are there."""
        return NeighborLists(self.index.to(device), self.similarity.to(device))

    def first(self, k: int) -> "NeighborLists":
        """Return the k best alone: lists for several k nest."""
        return NeighborLists(self.index[:, :k], self.similarity[:, :k])


def best_pairs(
    row: Int[Tensor, " pairs"],
    col: Int[Tensor, " pairs"],
    similarity: Float[Tensor, " pairs"],
    shape: tuple[int, int],
) -> NeighborLists:
    """Return the best positive pairs of each row by (similarity, lower column).

    Args:
        row: Row of each pair, in any order.
        col: Column of each pair; no pair comes twice.
        similarity: Of each pair.
        shape: Rows and columns of the lists.
    """
    positive = similarity > POSITIVE
    row, col, s = row[positive], col[positive], similarity[positive]
    order = torch.argsort(col, stable=True)
    order = order[torch.argsort(s[order], descending=True, stable=True)]
    order = order[torch.argsort(row[order], stable=True)]
    row, col, s = row[order], col[order], s[order]
    place = place_in_run(row)
    kept = place < shape[1]
    index = col.new_full(shape, -1)
    value = s.new_zeros(shape)
    index[row[kept], place[kept]] = col[kept]
    value[row[kept], place[kept]] = s[kept]
    return NeighborLists(index, value)


def place_in_run(label: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Return the place of each element among its equals; labels are sorted."""
    size = torch.bincount(label)
    start = size.cumsum(0) - size
    return torch.arange(len(label), device=label.device) - start[label]
