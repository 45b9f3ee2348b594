"""Which vocabulary nodes are the rows of a graph."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """The nodes of one type in one graph."""

    n_id: Int[Tensor, " nodes"]
    """Vocabulary index of each row, ascending."""
    train_row: Int[Tensor, " nodes"]
    """Row in the training graph, -1 where the node was not in it."""


def training_rows(seen: Bool[Tensor, " vocabulary"]) -> Rows:
    """Return the compact rows of a training graph: the seen nodes alone."""
    n_id = seen.nonzero().flatten()
    return Rows(n_id=n_id, train_row=torch.arange(len(n_id)))


def all_rows(seen: Bool[Tensor, " vocabulary"]) -> Rows:
    """Return every node of the vocabulary, with its place in the training graph."""
    n_id = torch.arange(len(seen))
    return Rows(n_id=n_id, train_row=places(training_rows(seen).n_id, len(seen)))


def places(n_id: Int[Tensor, " nodes"], size: int) -> Int[Tensor, " size"]:
    """Return for each vocabulary index its place in ``n_id``, -1 if it has none."""
    place = torch.full((size,), -1)
    place[n_id] = torch.arange(len(n_id))
    return place
