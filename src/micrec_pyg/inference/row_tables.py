"""What the rows of a domain's graph stand for: made once, read by every question."""

from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.node_rows import places
from micrec_pyg.inference.neighbors import item_features
from micrec_pyg.schema import (
    ITEM,
    SIMILAR_ITEM,
    USER,
    Embeddings,
    Interactions,
    Task,
)

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
    """By row: the items that are not removed, and of which anything is known; None:
    all."""
    unheard: Bool[Tensor, " items"] | None
    """By row: the new items that are in no list of the model's; None: none.

    The model has the vector 0 for them, or there is nothing that it could read:
    no interaction, similar item or content. Where they stood would be chance."""
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
        z: Embeddings | None,
    ) -> "RowTables":
        """Return the tables of a domain.

        Args:
            task: Of the domain.
            graph: That the model reads, of this domain or of all.
            known: The vocabularies.
            texts: Of every item of the vocabulary.
            gone: Which of these were removed.
            z: The model's vectors of the graph's nodes; None where its scores read
                more of an item than that.
        """
        users, items = task.data[USER], task.data[ITEM]
        n_id = items.n_id.cpu()
        similar = graph[SIMILAR_ITEM].adj_t.crow_indices().diff() > 0
        similar = similar if task.item is None else similar[task.item]
        title = texts.cast(pl.String).str.slice(0, TITLE)
        left = ~gone[n_id]
        new, known_by = items.train_row < 0, (items.degree > 0) | similar
        for feature in item_features(task.data).values():
            known_by = known_by | feature.mask
        nothing = new & ~known_by
        unheard = (nothing | (new & _without_vector(task, z))).cpu() & left
        left &= ~nothing.cpu()
        return cls(
            user=places(users.n_id.cpu(), len(known.users)),
            item=places(n_id, len(known.items)),
            has_history=users.degree.cpu() > 0,
            item_id=known.items.ids.gather(n_id.numpy()),
            title=title.gather(n_id.numpy()),
            allowed=None if bool(left.all()) else left,
            unheard=unheard if bool(unheard.any()) else None,
            by_content=((items.degree == 0) & similar).cpu(),
        )


def _without_vector(task: Task, z: Embeddings | None) -> Bool[Tensor, "#items"]:
    """Return the items of a domain of which the model reads the vector 0 alone.

    A number in place of a vector, as of popularity, may well be 0.
    """
    if z is None or z.item.shape[1] < 2:
        return torch.zeros(1, dtype=torch.bool, device=task.data[ITEM].n_id.device)
    zero: Tensor = ~z.item.any(1)
    return zero if task.item is None else zero[task.item]
