"""The rows of which a linear model between items is fitted: people, then content."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.graph.norm import sparse_csr, transpose
from micrec_pyg.nn.kernels import KERNELS


@dataclass(frozen=True, eq=False)
class DesignMatrix:
    """Y: people over the items, and below them the content, both sparse and dense."""

    taken: Float[Tensor, "people items"]
    """CSR."""
    takers: Float[Tensor, "items people"]
    """CSR, its transpose."""
    content: Float[Tensor, "items width"]

    @classmethod
    def of(
        cls,
        pairs: Int[Tensor, "2 edges"],
        weight: Float[Tensor, " edges"],
        num_people: int,
        content: Float[Tensor, "items width"],
    ) -> "DesignMatrix":
        """Return Y of (person, item) pairs, sorted by both, and what stands there."""
        taken = sparse_csr(pairs[0], pairs[1], weight, (num_people, len(content)))
        return cls(taken, transpose(taken)[0], content)

    def only(self, kept: Bool[Tensor, " items"]) -> "DesignMatrix":
        """Return Y with the columns of all other items 0."""
        content = torch.where(kept.view(-1, 1), self.content, 0.0)
        item = self.taken.col_indices()
        kept_pairs = kept[item.long()]
        if bool(kept_pairs.all()):
            return DesignMatrix(self.taken, self.takers, content)
        person = torch.arange(self.taken.shape[0], device=item.device)
        person = person.repeat_interleave(self.taken.crow_indices().diff())
        pairs = torch.stack([person, item])[:, kept_pairs]
        weight = self.taken.values()[kept_pairs]
        return DesignMatrix.of(pairs, weight, self.taken.shape[0], content)

    def __len__(self) -> int:
        """Return the number of rows: people and axes of content."""
        return self.taken.shape[0] + self.content.shape[1]

    def times(self, x: Float[Tensor, "items n"]) -> Float[Tensor, "rows n"]:
        """Return Y x."""
        return torch.cat([product(self.taken, x), self.content.T @ x])

    def back(self, t: Float[Tensor, "rows n"]) -> Float[Tensor, "items n"]:
        """Return Y^T t."""
        people = self.taken.shape[0]
        return product(self.takers, t[:people]).addmm_(self.content, t[people:])


def product(
    matrix: Float[Tensor, "rows columns"], x: Float[Tensor, "columns n"]
) -> Float[Tensor, "rows n"]:
    """Return matrix @ x, in full precision whatever the layers read."""
    if x.is_cuda:
        return matrix @ x
    pairs = matrix.crow_indices(), matrix.col_indices()
    return KERNELS["embedding_bag"](*pairs, matrix.values(), x)
