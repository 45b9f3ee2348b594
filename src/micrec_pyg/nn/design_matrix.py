"""The rows of which a linear model between items is fitted: people, then content."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.graph.norm import sparse_csr, transpose
from micrec_pyg.nn.kernels import KERNELS

BLOCK = 1024
"""Columns of a dense matrix that are computed at a time."""


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

    def people(self) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
        """Give blocks of people: which, and item, person in the block, and weight."""
        start, count = self.taken.crow_indices(), self.taken.shape[0]
        for first in range(0, count, BLOCK):
            some = slice(first, min(first + BLOCK, count))
            ends = start[some.start : some.stop + 1]
            here = slice(int(ends[0]), int(ends[-1]))
            person = torch.arange(some.stop - first, device=start.device)
            yield (
                some,
                self.taken.col_indices()[here].long(),
                person.repeat_interleave(ends.diff()),
                self.taken.values()[here],
            )

    def gram(self) -> Float[Tensor, "rows rows"]:
        """Return Y Y^T, a block of people at a time."""
        people = self.taken.shape[0]
        found = self.content.new_empty(len(self), len(self))
        found[people:, people:] = self.content.T @ self.content
        found[:people, people:] = product(self.taken, self.content)
        found[people:, :people] = found[:people, people:].T
        for some, item, person, weight in self.people():
            dense = self.content.new_zeros(len(self.content), some.stop - some.start)
            dense[item, person] = weight
            found[:people, some] = product(self.taken, dense)
        return found

    def gram_of_items(self) -> Float[Tensor, "items items"]:
        """Return Y^T Y, a block of items at a time."""
        found = self.content @ self.content.T
        for some in torch.arange(len(found), device=found.device).split(BLOCK):
            of_some = product(self.taken, units(some, len(found)))
            found[:, some] += product(self.takers, of_some)
        return found

    def times(self, x: Float[Tensor, "items n"]) -> Float[Tensor, "rows n"]:
        """Return Y x."""
        return torch.cat([product(self.taken, x), self.content.T @ x])

    def back(self, t: Float[Tensor, "rows n"]) -> Float[Tensor, "items n"]:
        """Return Y^T t."""
        people = self.taken.shape[0]
        return product(self.takers, t[:people]).addmm_(self.content, t[people:])


def units(place: Int[Tensor, " n"], size: int) -> Float[Tensor, "size n"]:
    """Return columns that are 1 at one place each, else 0."""
    unit = torch.zeros(size, len(place), device=place.device)
    return unit.scatter_(0, place.view(1, -1), 1.0)


def product(
    matrix: Float[Tensor, "rows columns"], x: Float[Tensor, "columns n"]
) -> Float[Tensor, "rows n"]:
    """Return matrix @ x, in full precision whatever the layers read."""
    if x.is_cuda:
        return matrix @ x
    pairs = matrix.crow_indices(), matrix.col_indices()
    return KERNELS["embedding_bag"](*pairs, matrix.values(), x)
