"""Some rows of a table that is zero elsewhere, such as the gradient of a batch."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RowIndex:
    """Rows of a table; repeats are fine. Nothing here waits for the device."""

    rows: Int[Tensor, " given"]
    size: int
    """Rows of the whole table."""

    @cached_property
    def runs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where equal rows stand side by side.

        Returns:
            (start, end, order): row ``rows[order[p]]`` has the places
            ``order[start[p]:end[p]]`` if p is its first, and none otherwise.
        """
        row, order = self.rows.sort(stable=True)
        first = torch.searchsorted(row, row)
        end = torch.searchsorted(row, row, right=True)
        place = torch.arange(len(row), device=row.device)
        return torch.where(first == place, place, end), end, order

    @cached_property
    def place(self) -> Int[Tensor, " size"]:
        """The first place of each row in the order of ``runs``; -1 for other rows."""
        found = torch.full((self.size,), -1, dtype=torch.int32, device=self.rows.device)
        row = self.rows.index_select(0, self.runs[2])
        first = torch.searchsorted(row, row).to(torch.int32)
        # where a row repeats the same number is written each time
        return found.index_copy_(0, row, first)

    @cached_property
    def own_place(self) -> Int[Tensor, " size"]:
        """The rows themselves; -1 for others. Few launches, and nothing is sorted."""
        found = torch.full((self.size,), -1, device=self.rows.device)
        return found.index_copy_(0, self.rows, self.rows)


@dataclass(frozen=True, eq=False)
class RowParts:
    """Vectors that belong to rows; those of a row that repeats add up."""

    index: RowIndex
    parts: Float[Tensor, "given dim"]

    def table(self) -> Float[Tensor, "size dim"]:
        """Return the whole table."""
        return self.added_to(self.parts.new_zeros(self.index.size, self.parts.shape[1]))

    @cached_property
    def spread(self) -> Float[Tensor, "size dim"]:
        """The table at these rows alone: at others it is whatever the memory held."""
        table = self.parts.new_empty(self.index.size, self.parts.shape[1])
        return self.added_to(table.index_fill_(0, self.index.rows, 0.0))

    def added_to(self, table: Float[Tensor, "size dim"]) -> Float[Tensor, "size dim"]:
        """Return a table with the vectors added to their rows, in place."""
        return table.index_add_(0, self.index.rows, self.parts)
