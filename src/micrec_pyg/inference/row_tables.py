"""What the rows of a domain's graph stand for: made once, read by every question."""

from dataclasses import dataclass

import polars as pl
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.node_rows import places
from micrec_pyg.schema import ITEM, SIMILAR_ITEM, USER, Interactions, Task

TITLE = 80
"""Characters of an item's text that stand for its title."""


@dataclass(frozen=True, eq=False)
class RowTables:
    """Tables of the rows of a domain's own graph, on the CPU."""

    user: Int[Tensor, " users_known"]
    """Row of every user of the vocabulary; -1 without one."""
    item: Int[Tensor, " items_known"]
    """Row of every item of the vocabulary; -1 without one."""
    has_history: Bool[Tensor, " users"]
    """By row: whether the user is known to have any item."""
    item_id: pl.Series
    """By row: the raw id of the item."""
    title: pl.Series
    """By row: the beginning of the item's text."""
    allowed: Bool[Tensor, " items"] | None
    """By row: the items that are not removed; None: all."""
    by_content: Bool[Tensor, " items"]
    """By row: the items without interactions that have similar ones."""

    @classmethod
    def of(
        cls,
        task: Task,
        graph: HeteroData,
        known: Interactions,
        texts: pl.Series,
        gone: Bool[Tensor, " items_known"],
    ) -> "RowTables":
        """Return the tables of a domain.

        Args:
            task: Of the domain.
            graph: That the model reads, of this domain or of all.
            known: The vocabularies.
            texts: Of every item of the vocabulary.
            gone: Which of these were removed.
        """
        users, items = task.data[USER], task.data[ITEM]
        n_id = items.n_id.cpu()
        similar = graph[SIMILAR_ITEM].adj_t.crow_indices().diff() > 0
        similar = similar if task.item is None else similar[task.item]
        title = texts.cast(pl.String).str.slice(0, TITLE)
        left = ~gone[n_id]
        return cls(
            user=places(users.n_id.cpu(), len(known.users)),
            item=places(n_id, len(known.items)),
            has_history=users.degree.cpu() > 0,
            item_id=known.items.ids.gather(n_id.numpy()),
            title=title.gather(n_id.numpy()),
            allowed=None if bool(left.all()) else left,
            by_content=((items.degree == 0) & similar).cpu(),
        )
