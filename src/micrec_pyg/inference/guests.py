"""Guests: people who read from the graphs as they stand, and change nothing there.

A guest has edges to the items of a history and to similar users, as a user of a graph
has; but no item, template or user has an edge to a guest. So an answer depends on the
history alone, not on who else asks, and a guest with the history of a known user has
that user's scores.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.node_rows import places
from micrec_pyg.graph.norm import sparse_csr, transpose
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.similar.few import Compared
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, best_pairs
from micrec_pyg.inference.neighbors import item_features
from micrec_pyg.inference.similar_people import alike
from micrec_pyg.schema import (
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_USER,
    USER,
    EdgeType,
)

Edges = tuple[Int[Tensor, "2 _"], Float[Tensor, " _"]]
"""(row, column) pairs and their weights."""


@dataclass(frozen=True, eq=False)
class Guests:
    """Some guests of one graph."""

    edges: Int[Tensor, "2 _"]
    """Distinct (guest, item row) pairs, sorted."""
    person: Int[Tensor, " guests"]
    """Numbers of their own, the same in the graphs of all domains."""

    @property
    def count(self) -> int:
        """Return how many guests there are."""
        return len(self.person)


@dataclass(frozen=True, eq=False)
class UserRows:
    """What a graph says of some users: rows of its matrices, and their numbers."""

    count: int
    edges: Mapping[EdgeType, Edges]
    """By edge type towards users: (user, source) pairs, sorted, and their weights."""
    nodes: Mapping[str, Tensor]
    """By name of a field of the graph's users."""


def guest_rows(
    data: HeteroData,
    guests: Guests,
    options: GraphOptions,
    there: Compared | None,
) -> UserRows:
    """Return what a graph would say of guests.

    Args:
        data: A graph of any stage.
        guests: Who they are.
        options: Those of the graph.
        there: What the graph's users are compared by; None where nothing counts.
    """
    guest, item = guests.edges
    count = torch.bincount(guest, minlength=guests.count)
    degree = count.double()[guest] * data[ITEM].degree[item].clamp(min=1)
    templates = _template_pairs(data, guests)
    lists = _similar(data, guests, options, there)
    row, place = (lists.index >= 0).nonzero(as_tuple=True)
    nobody = torch.full_like(count, -1)
    return UserRows(
        count=guests.count,
        edges={
            INTERACTED_BY: (guests.edges, degree.rsqrt().float()),
            DESCRIBES_USER: (templates, torch.ones_like(templates[0]).float()),
            SIMILAR_USER: in_order(
                row, lists.index[row, place], lists.similarity[row, place]
            ),
        },
        nodes={
            "n_id": nobody,
            "train_row": nobody,
            "degree": count,
            "person": guests.person,
            "rho": torch.bincount(templates[0], minlength=guests.count) + 1,
        },
    )


def with_users(data: HeteroData, rows: UserRows) -> HeteroData:
    """Return a graph with more users behind its own; the one given stays as it is.

    Nothing has an edge from them. Any other tensor of users gets zeros.

    Args:
        data: A graph of any stage.
        rows: Of the users who are added.
    """
    found = copy.copy(data)
    for kind, (pairs, values) in rows.edges.items():
        _append(found, kind, pairs, values, rows.count, square=kind[0] == USER)
    _widen(found, INTERACTS, rows.count)
    store = found[USER]
    before = store.num_nodes
    for name, value in list(store.items()):
        if isinstance(value, Tensor) and len(value) == before:
            given = rows.nodes.get(name)
            if given is None:
                given = value.new_zeros(rows.count, *value.shape[1:])
            store[name] = torch.cat([value, given.to(value)])
    store.num_nodes = before + rows.count
    return found


def in_order(row: Tensor, col: Tensor, value: Tensor) -> Edges:
    """Return pairs and values, sorted by (row, column)."""
    order = torch.argsort(col, stable=True)
    order = order[torch.argsort(row[order], stable=True)]
    return torch.stack([row[order], col[order]]), value[order]


def _append(
    data: HeteroData,
    kind: EdgeType,
    pairs: Int[Tensor, "2 _"],
    values: Float[Tensor, " _"],
    count: int,
    *,
    square: bool = False,
) -> None:
    """Give guests rows of their own in the matrix of an edge type.

    ``square``: of users to users, where the guests are columns too, empty ones.
    """
    matrix = data[kind].adj_t
    shape = (matrix.shape[0] + count, matrix.shape[1] + count * square)
    rows = sparse_csr(pairs[0], pairs[1], values, (count, shape[1]))
    crow, size = matrix.crow_indices(), matrix.values().numel()
    found = torch.sparse_csr_tensor(
        torch.cat([crow, rows.crow_indices()[1:].to(crow.dtype) + size]),
        torch.cat([matrix.col_indices(), rows.col_indices().to(crow.dtype)]),
        torch.cat([matrix.values(), rows.values()]),
        shape,
        check_invariants=False,
    )
    data[kind].adj_t = found
    if "adj" in data[kind]:
        data[kind].adj, data[kind].perm = transpose(found)


def _widen(data: HeteroData, kind: EdgeType, count: int) -> None:
    """Give guests columns in a matrix; nothing reads them there."""
    matrix = data[kind].adj_t
    data[kind].adj_t = torch.sparse_csr_tensor(
        matrix.crow_indices(),
        matrix.col_indices(),
        matrix.values(),
        (matrix.shape[0], matrix.shape[1] + count),
        check_invariants=False,
    )


def _template_pairs(data: HeteroData, guests: Guests) -> Int[Tensor, "2 _"]:
    """Return the (guest, template item) pairs, sorted."""
    n_id, templates = data[ITEM].n_id, data[ITEM_TEMPLATE].n_id
    size = 1 + int(torch.cat([n_id, templates]).max()) if len(n_id) else 1
    template = places(templates.cpu(), size).to(n_id.device)
    guest, item = guests.edges
    found = template[n_id[item]]
    kept = found >= 0
    return in_order(guest[kept], found[kept], found[kept].float())[0]


def _similar(
    data: HeteroData,
    guests: Guests,
    options: GraphOptions,
    there: Compared | None,
) -> NeighborLists:
    """Return the users whom guests are most like, as rows of the graph."""
    wanted = options.neighbors_of(USER)
    include = options.knn_include_self and wanted > 0
    k = wanted - include
    if k and options.neighbors == "cooccurrence":
        found = _cooccurring(data, guests, k)
    elif k and there is not None:
        items = item_features(data)
        found = alike(guests.edges, guests.count, items, there, k=k)
    else:
        nobody = torch.full((guests.count, k), -1, device=guests.edges.device)
        found = NeighborLists(nobody, torch.zeros_like(nobody).float())
    return _with_oneself(found, data, guests) if include else found


def _with_oneself(
    found: NeighborLists, data: HeteroData, guests: Guests
) -> NeighborLists:
    """Let guests with a history be their own first neighbours."""
    own = data[USER].num_nodes + torch.arange(guests.count, device=found.index.device)
    has = torch.bincount(guests.edges[0], minlength=guests.count) > 0
    own, similarity = torch.where(has, own, -1), has.float()
    return NeighborLists(
        torch.cat([own[:, None], found.index], dim=1),
        torch.cat([similarity[:, None], found.similarity], dim=1),
    )


def _cooccurring(data: HeteroData, guests: Guests, k: int) -> NeighborLists:
    """Return the users who share most edges, see ``cooccurrence_lists``."""
    matrix = data[INTERACTS].adj_t  # a row per item: its users
    guest, item = guests.edges
    crow = matrix.crow_indices().long()
    width = crow.diff()[item]
    owner = guest.repeat_interleave(width)
    start = (crow[item] - (width.cumsum(0) - width)).repeat_interleave(width)
    user = matrix.col_indices().long()[start + torch.arange(len(owner))]
    size = data[USER].num_nodes
    key, common = torch.unique(owner * size + user, return_counts=True)
    row, col = key // size, key % size
    count = torch.bincount(guest, minlength=guests.count)
    square = common.double().square() / (count[row] * data[USER].degree[col])
    return best_pairs(row, col, square.sqrt().float(), shape=(guests.count, k))
