"""What users took, as dense rows over the items."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import INTERACTED_BY, INTERACTS


class Histories:
    """The items of every user; a block of users at a time becomes dense."""

    def __init__(
        self, pairs: Int[Tensor, "2 _"], *, num_users: int, num_items: int
    ) -> None:
        """Order the (user, item) pairs by user; duplicates count once."""
        self.num_items = num_items
        user, order = pairs[0].sort()
        self.item = pairs[1].index_select(0, order)
        rows = torch.arange(num_users + 1, device=user.device)
        self.start = torch.searchsorted(user, rows)
        self.longest = int(self.start.diff().max()) if num_users else 0

    def rows(self, user: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
        """Return 1 where a user has the item, else 0; nothing waits for the device."""
        column, taken = self.columns(user)
        dense = torch.zeros(len(user), self.num_items, device=column.device)
        # Without a history the column is another user's: 0 is written there.
        return dense.scatter_(1, column, taken.float().expand_as(column))

    def columns(
        self, user: Int[Tensor, " rows"]
    ) -> tuple[Int[Tensor, "rows longest"], Bool[Tensor, "rows 1"]]:
        """Return the items of users, and which of the users have any.

        A shorter history repeats its last item; who has none gets items of others.
        """
        start = self.start.index_select(0, user).view(-1, 1)
        count = self.start.index_select(0, user + 1).view(-1, 1) - start
        nth = torch.arange(self.longest, device=user.device)
        place = start + nth.minimum(count - 1)
        column = self.item[place.clamp(0, max(len(self.item) - 1, 0))]
        return column, count > 0


def edges_of(data: HeteroData) -> Int[Tensor, "2 edges"]:
    """Return the (user, item) pairs of a graph, users ascending."""
    edges = data[INTERACTED_BY].adj_t
    user = torch.arange(edges.shape[0], device=edges.device).repeat_interleave(
        edges.crow_indices().diff()
    )
    return torch.stack([user, edges.col_indices().long()])


def takers_of(data: HeteroData) -> Int[Tensor, "2 edges"]:
    """Return the same pairs from the items' side, items ascending.

    A user who only asks has items, and no item has that user: such a guest is missing
    here (``inference``).
    """
    edges = data[INTERACTS].adj_t
    item = torch.arange(edges.shape[0], device=edges.device).repeat_interleave(
        edges.crow_indices().diff()
    )
    return torch.stack([edges.col_indices().long(), item])


def histories(data: HeteroData) -> Histories:
    """Return the histories of a graph's users over its items."""
    num_users, num_items = data[INTERACTED_BY].adj_t.shape
    return Histories(edges_of(data), num_users=num_users, num_items=num_items)
