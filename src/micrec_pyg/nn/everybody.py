"""The users of all domains as persons, and their items of all domains side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.histories import edges_of
from micrec_pyg.schema import ITEM, USER


@dataclass(frozen=True, eq=False)
class Everybody:
    """One row per person and one column per item of any domain."""

    row: Mapping[str, Int[Tensor, " users"]]
    """By domain: the row of every user."""
    columns: Mapping[str, slice]
    """By domain, in alphabetical order: the columns of its items."""
    pairs: Int[Tensor, "2 edges"]
    """(row, column) of every interaction, in this order."""
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
    pairs = [_pairs(graphs[name], rows[name], columns[name]) for name in names]
    found = torch.cat(pairs, dim=1)
    order = (found[0] * first + found[1]).argsort()
    return Everybody(rows, columns, found[:, order], len(people), first)


def _pairs(data: HeteroData, row: Tensor, columns: slice) -> Tensor:
    user, item = edges_of(data)
    return torch.stack([row[user], item + columns.start])
