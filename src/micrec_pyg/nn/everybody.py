"""The users of all domains as persons, and their items of all domains side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.histories import edges_of, takers_of
from micrec_pyg.schema import ITEM, USER


@dataclass(frozen=True, eq=False)
class Everybody:
    """One row per person and one column per item of any domain."""

    row: Mapping[str, Int[Tensor, " users"]]
    """By domain: the row of every user."""
    columns: Mapping[str, slice]
    """By domain, in alphabetical order: the columns of its items."""
    pairs: Int[Tensor, "2 _"]
    """(row, column) of every interaction, in this order."""
    fit: Int[Tensor, "2 _"]
    """The same without those of guests, who ask and change nothing."""
    num_people: int
    num_items: int


def everybody(graphs: Mapping[str, HeteroData]) -> Everybody:
    """Return the persons of some graphs: users of one ``person`` have one row."""
    names = sorted(graphs)
    person = torch.cat([graphs[name][USER].person for name in names])
    people, row = person.unique(return_inverse=True)
    counts = [graphs[name][USER].num_nodes for name in names]
    rows = dict(zip(names, row.split(counts), strict=True))
    columns, first = {}, 0
    for name in names:
        columns[name] = slice(first, first + graphs[name][ITEM].num_nodes)
        first = columns[name].stop

    def pairs(edges: Callable[[HeteroData], Tensor]) -> Tensor:
        parts = []
        for name in names:
            user, item = edges(graphs[name])
            parts.append(torch.stack([rows[name][user], item + columns[name].start]))
        found = torch.cat(parts, dim=1)
        return found[:, (found[0] * first + found[1]).argsort()]

    return Everybody(
        rows, columns, pairs(edges_of), pairs(takers_of), len(people), first
    )
