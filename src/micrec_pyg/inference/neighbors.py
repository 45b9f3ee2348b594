"""The similar nodes of a world's graphs: what they compare, and how changes reach them.

After a change the lists of ``graph.similar.changes`` replace a search among all nodes.
Neighbours by co-occurrence and those of a union of domains are searched anew.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.domain_graph import add_with_transpose, similarity_matrix
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.similar.changes import changed_lists
from micrec_pyg.graph.similar.few import Compared
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, place_in_run
from micrec_pyg.graph.similar.user_features import mean_of_items
from micrec_pyg.schema import (
    INTERACTED_BY,
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    EdgeType,
    Feature,
)

KINDS: Mapping[str, EdgeType] = {USER: SIMILAR_USER, ITEM: SIMILAR_ITEM}
"""By the kind of nodes, their edges to similar ones."""

ByKind = dict[str, Compared | None]
"""What nodes are compared by; None where nothing counts."""


def compared_nodes(data: HeteroData, options: GraphOptions) -> ByKind:
    """Return what the search for neighbours compares in a graph.

    Args:
        data: A graph of any stage.
        options: Those of the graph.
    """
    if not options.num_neighbors or options.neighbors == "cooccurrence":
        return dict.fromkeys(KINDS)
    items = item_features(data)
    every = torch.arange(data[USER].num_nodes, device=data[USER].n_id.device)
    profiles = mean_of_items(items_of(data, every), items, len(every))
    return {
        kind: _compared(features, options)
        for kind, features in ((USER, profiles), (ITEM, items))
    }


def follow(
    before: HeteroData, compared: ByKind, now: HeteroData, options: GraphOptions
) -> ByKind | None:
    """Give a graph the neighbours that follow from those of an earlier one.

    Args:
        before: The graph before a change that only added edges and nodes, these at the
            end, or only took edges and the content of items away.
        compared: What was compared there.
        now: The same graph after it, still without neighbours; changed in place.
        options: Those of the graphs.

    Returns:
        What is compared now; None where everything must be searched anew, and then
        ``now`` is as it was.
    """
    changed = _changed(before, now)
    after = _after(compared, now, changed, options)
    if after is None:
        return None
    for kind, edge_type in KINDS.items():
        there, k = after[kind], options.neighbors_of(kind)
        if there is None or not k:
            continue
        lists = changed_lists(
            _lists(before[edge_type].adj_t, k),
            there,
            changed[kind].to(there.inverse[0].device),
            include_self=options.knn_include_self,
        ).to("cpu")
        shape = (len(there), len(there))
        add_with_transpose(now, edge_type, similarity_matrix(lists, shape))
    return after


def item_features(data: HeteroData) -> dict[str, Feature]:
    """Return the features of a graph's items by modality."""
    store = data[ITEM]
    names = [name[: -len("_mask")] for name in store.keys() if name.endswith("_mask")]
    return {name: Feature(store[name], store[f"{name}_mask"]) for name in names}


def items_of(data: HeteroData, rows: Int[Tensor, " users"]) -> Int[Tensor, "2 _"]:
    """Return the (place in ``rows``, item row) pairs of some users of a graph."""
    matrix = data[INTERACTED_BY].adj_t
    crow = matrix.crow_indices().long()
    width = crow.diff()[rows]
    shift = crow[rows] - (width.cumsum(0) - width)
    owner = torch.arange(len(rows), device=rows.device).repeat_interleave(width)
    place = shift[owner] + torch.arange(len(owner), device=rows.device)
    return torch.stack([owner, matrix.col_indices()[place].long()])


def _compared(
    features: Mapping[str, Feature], options: GraphOptions
) -> Compared | None:
    there = weighted(features, options.weights)
    return Compared.of(there) if there else None


def _changed(before: HeteroData, now: HeteroData) -> dict[str, Int[Tensor, " _"]]:
    """Return by kind the rows that are new or have other features."""
    items = torch.zeros(before[ITEM].num_nodes, dtype=torch.bool)
    new = item_features(now)
    for name, old in item_features(before).items():
        items |= old.mask.cpu() != new[name].mask[: len(items)]
    users = before[USER].degree.cpu() != now[USER].degree[: before[USER].num_nodes]
    return {
        USER: _with_new(users, now[USER].num_nodes),
        ITEM: _with_new(items, now[ITEM].num_nodes),
    }


def _with_new(changed: Bool[Tensor, " nodes"], count: int) -> Int[Tensor, " _"]:
    more = torch.arange(len(changed), count)
    return torch.cat([changed.nonzero().flatten(), more])


def _after(
    compared: ByKind,
    now: HeteroData,
    changed: Mapping[str, Int[Tensor, " _"]],
    options: GraphOptions,
) -> ByKind | None:
    """Return what is compared now; None where other modalities count than before."""
    items = item_features(now)
    rows = changed[USER]
    profiles = mean_of_items(items_of(now, rows), items, len(rows))
    some = {
        name: Feature(each.values[changed[ITEM]], each.mask[changed[ITEM]])
        for name, each in items.items()
    }
    counts = {name for name in items if options.weights.get(name, 0.0) > 0}
    found: ByKind = {}
    for kind, features in ((USER, profiles), (ITEM, some)):
        old = compared[kind]
        there = set() if old is None else {m.name for m in old.modalities}
        if any(bool(features[name].mask.any()) for name in counts - there):
            return None
        found[kind] = None
        if old is not None:
            new = old.replaced(changed[kind], features, now[kind].num_nodes)
            if not all(bool(m.mask.any()) for m in new.modalities):
                return None
            found[kind] = new
    return found


def _lists(matrix: Tensor, k: int) -> NeighborLists:
    """Return the lists that a matrix of similarities was made of."""
    width = matrix.crow_indices().diff()
    row = torch.arange(len(width), device=width.device).repeat_interleave(width)
    place = place_in_run(row)
    index = torch.full((len(width), k), -1, device=row.device)
    index[row, place] = matrix.col_indices().long()
    similarity = torch.zeros(index.shape, device=row.device)
    similarity[row, place] = matrix.values()
    # columns ascend, so a stable sort leaves ties in the order of a list
    similarity, order = similarity.sort(dim=1, descending=True, stable=True)
    return NeighborLists(index.gather(1, order), similarity)
