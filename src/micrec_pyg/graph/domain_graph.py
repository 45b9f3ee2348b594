"""One domain's arrays -> one ``HeteroData``."""

import logging
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.node_rows import Rows, places
from micrec_pyg.graph.norm import empty_csr, sparse_csr, symmetric_weights, transpose
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.share_memory import share_equal
from micrec_pyg.graph.similar.cache import cached_lists
from micrec_pyg.graph.similar.cooccurrence import cached_cooccurrence
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.graph.similar.user_features import mean_of_items
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
    Domain,
    EdgeType,
    Feature,
    InputError,
)
from micrec_pyg.storage.mapped import rows_of

NODE_FIELDS = ("n_id", "train_row", "num_nodes", "degree", "rho", "person")
"""Names that a modality must not have."""

logger = logging.getLogger(__name__)


def domain_graph(
    domain: Domain,
    edges: Int[Tensor, "2 edges"],
    *,
    users: Rows,
    items: Rows,
    person: Int[Tensor, " vocabulary"],
    user_templates: Int[Tensor, " user_templates"],
    item_templates: Int[Tensor, " item_templates"],
    options: GraphOptions,
) -> HeteroData:
    """Return the graph of one domain.

    Every ``adj_t`` is a CSR matrix [destination, source]; ``adj`` is its
    transpose and ``perm`` the place in ``adj_t`` of each of its values. Of the two
    kinds of interactions each is the transpose of the other.

    Args:
        domain: Features and vocabularies; its interactions are not read.
        edges: Message edges in graph rows (user, item), in any order.
        users: Which users are in the graph.
        items: Which items are in the graph.
        person: Of every user of the vocabulary, the row in the union of the users of
            all domains.
        user_templates: Vocabulary indices of the template users.
        item_templates: Vocabulary indices of the template items.
        options: Neighbours and modalities.
    """
    edges = _sorted(edges, len(items.n_id))
    features = _features_of(domain, items, options.cache_dir)
    data = HeteroData()
    _add_nodes(data, edges, users, items)
    data[USER].person = person[users.n_id]
    for modality, feature in features.items():
        data[ITEM][modality] = feature.values
        data[ITEM][f"{modality}_mask"] = feature.mask
    _add_interactions(data, edges)

    vocabulary = domain.interactions
    row_of_user = places(users.n_id, len(vocabulary.users))
    row_of_item = places(items.n_id, len(vocabulary.items))
    _add_templates(
        data, DESCRIBES_USER, edges, item_templates, row_of_item[item_templates]
    )
    _add_templates(
        data, DESCRIBES_ITEM, edges.flip(0), user_templates, row_of_user[user_templates]
    )

    if options.num_neighbors > 0 and options.neighbors == "cooccurrence":
        _add_cooccurring(data, SIMILAR_USER, edges, options)
        _add_cooccurring(data, SIMILAR_ITEM, edges.flip(0), options)
        return share_equal(data)
    compared = features if options.num_neighbors > 0 else {}
    user_features = mean_of_items(
        edges, compared, len(users.n_id), folder=options.cache_dir
    )
    _add_similar(data, SIMILAR_USER, user_features, options)
    _add_similar(data, SIMILAR_ITEM, compared, options)
    return share_equal(data)


def log_neighbors(domain: Domain, options: GraphOptions) -> None:
    """Say what decides the neighbours, and if ``w`` is without effect."""
    if options.num_neighbors == 0:
        return
    if options.neighbors == "cooccurrence":
        logger.info("domain %s: neighbours by co-occurrence alone", domain.name)
        return
    weights = options.weights
    used = [m for m in sorted(domain.features) if weights[m] > 0]
    if not used:
        logger.info("domain %s: no modality, no similarity edges", domain.name)
    elif len(used) == 1:
        logger.info("domain %s: %s alone, w has no effect", domain.name, used[0])
    else:
        logger.info("domain %s: neighbours by %s", domain.name, " + ".join(used))


def _sorted(edges: Tensor, num_items: int) -> Tensor:
    """Return the edges in the order of (user, item)."""
    key = edges[0] * num_items + edges[1]
    if bool((key[1:] > key[:-1]).all()):
        return edges
    return edges[:, torch.argsort(key)]


def _features_of(domain: Domain, items: Rows, folder: str | None) -> dict[str, Feature]:
    taken = {*NODE_FIELDS, *(f"{name}_mask" for name in domain.features)}
    for modality in domain.features:
        if modality in taken:
            raise InputError(
                f"domain {domain.name}: a modality must not be called {modality}, "
                "graphs use that name; rename its file or column"
            )
    # rows ascend: as many as there are items are all of them, and need no copy
    everything = len(items.n_id) == len(domain.interactions.items)
    return {
        modality: feature
        if everything
        else Feature(
            rows_of(feature.values, items.n_id, folder), feature.mask[items.n_id]
        )
        for modality, feature in domain.features.items()
    }


def _add_nodes(data: HeteroData, edges: Tensor, users: Rows, items: Rows) -> None:
    for node_type, rows, ends in ((USER, users, edges[0]), (ITEM, items, edges[1])):
        store = data[node_type]
        store.num_nodes = len(rows.n_id)
        store.n_id = rows.n_id
        store.train_row = rows.train_row
        store.degree = torch.bincount(ends, minlength=len(rows.n_id)).int()


def _add_interactions(data: HeteroData, edges: Tensor) -> None:
    user, item = edges
    shape = (data[USER].num_nodes, data[ITEM].num_nodes)
    to_users = sparse_csr(user, item, symmetric_weights(user, item, shape), shape)
    to_items, perm = transpose(to_users)
    back = torch.empty_like(perm)
    back[perm] = torch.arange(len(perm))
    data[INTERACTED_BY].adj_t, data[INTERACTED_BY].perm = to_users, perm
    data[INTERACTS].adj_t, data[INTERACTS].perm = to_items, back


def _add_templates(
    data: HeteroData,
    edge_type: EdgeType,
    edges: Tensor,
    templates: Tensor,
    template_rows: Tensor,
) -> None:
    """Add template nodes, the edges from them, and rho (method page, section 1).

    ``edges`` are (described node, its neighbour on the templates' side).
    """
    template_type, _, described = edge_type
    neighbors = {USER_TEMPLATE: USER, ITEM_TEMPLATE: ITEM}[template_type]
    data[template_type].num_nodes = len(templates)
    data[template_type].n_id = templates
    template_of = places(template_rows, data[neighbors].num_nodes)[edges[1]]
    kept = template_of >= 0
    row, col = _sorted(torch.stack([edges[0], template_of])[:, kept], len(templates))
    add_with_transpose(
        data,
        edge_type,
        sparse_csr(
            row, col, torch.ones(len(row)), (data[described].num_nodes, len(templates))
        ),
    )
    data[described].rho = (
        torch.bincount(row, minlength=data[described].num_nodes) + 1
    ).float()


def _add_similar(
    data: HeteroData,
    edge_type: EdgeType,
    features: Mapping[str, Feature],
    options: GraphOptions,
) -> None:
    num_nodes = data[edge_type[0]].num_nodes
    shape = (num_nodes, num_nodes)
    k = options.neighbors_of(edge_type[0])
    if not features or not k:
        add_with_transpose(data, edge_type, empty_csr(shape))
        return
    lists = cached_lists(
        weighted(features, options.weights),
        num_nodes=num_nodes,
        k=max(options.num_neighbors, options.knn_lists),
        include_self=options.knn_include_self,
        cache_dir=options.cache_dir,
        device=options.device,
        approximate=options.ann_from is not None and num_nodes >= options.ann_from,
    )
    add_with_transpose(data, edge_type, similarity_matrix(lists.first(k), shape))


def _add_cooccurring(
    data: HeteroData, edge_type: EdgeType, edges: Tensor, options: GraphOptions
) -> None:
    """Add the neighbours by shared edges, given as (compared node, other side)."""
    num_nodes = data[edge_type[0]].num_nodes
    lists = cached_cooccurrence(
        edges,
        (num_nodes, data[ITEM if edge_type[0] == USER else USER].num_nodes),
        k=max(options.num_neighbors, options.knn_lists),
        include_self=options.knn_include_self,
        cache_dir=options.cache_dir,
    )
    shape = (num_nodes, num_nodes)
    k = options.neighbors_of(edge_type[0])
    add_with_transpose(data, edge_type, similarity_matrix(lists.first(k), shape))


def similarity_matrix(
    lists: NeighborLists, shape: tuple[int, int]
) -> Float[Tensor, "nodes nodes"]:
    """Return lists as a CSR matrix [node, neighbour]."""
    index, order = lists.index.sort(dim=1)
    similarity = lists.similarity.gather(1, order)
    row, place = (index >= 0).nonzero(as_tuple=True)
    return sparse_csr(row, index[row, place], similarity[row, place], shape)


def add_with_transpose(data: HeteroData, edge_type: EdgeType, adj_t: Tensor) -> None:
    """Give a graph the edges of a type.

    Args:
        data: Changed in place.
        edge_type: Of the edges.
        adj_t: CSR [destination, source].
    """
    data[edge_type].adj_t = adj_t
    data[edge_type].adj, data[edge_type].perm = transpose(adj_t)
