"""The structure that every graph has, checked."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.norm import transpose
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
    EdgeType,
)

WITH_TRANSPOSE = (DESCRIBES_USER, DESCRIBES_ITEM, SIMILAR_USER, SIMILAR_ITEM)


def check_graph(data: HeteroData) -> None:
    """Return if the graph has the structure that layers rely on.

    Raises:
        ValueError: What is wrong, and where.
    """
    for found, needed in (
        (data.node_types, (USER, ITEM, USER_TEMPLATE, ITEM_TEMPLATE)),
        (data.edge_types, (INTERACTS, INTERACTED_BY, *WITH_TRANSPOSE)),
    ):
        _require(set(found) == set(needed), f"types are {found}, not {needed}")
    for node_type in data.node_types:
        _check_nodes(data, node_type)
    for edge_type in data.edge_types:
        _check_matrix(data, edge_type)
    for edge_type in WITH_TRANSPOSE:
        _check_transpose(data, edge_type)
    for edge_type, other in ((INTERACTS, INTERACTED_BY), (INTERACTED_BY, INTERACTS)):
        back, perm = transpose(data[edge_type].adj_t)
        _require(
            _equal(back, data[other].adj_t) and torch.equal(perm, data[edge_type].perm),
            f"adj_t of {other} is not the transpose of that of {edge_type}, or perm is "
            "not its order",
        )
    for node_type, interactions, templates in (
        (USER, INTERACTED_BY, DESCRIBES_USER),
        (ITEM, INTERACTS, DESCRIBES_ITEM),
    ):
        degree = data[interactions].adj_t.crow_indices().diff()
        rho = data[templates].adj_t.crow_indices().diff() + 1
        for name, expected in (("degree", degree), ("rho", rho)):
            _require(
                torch.equal(data[node_type][name].long(), expected.long()),
                f"{name} of {node_type} does not count its edges",
            )


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(f"broken graph: {message}")


def _check_nodes(data: HeteroData, node_type: str) -> None:
    store = data[node_type]
    n_id, num_nodes = store.n_id, store.num_nodes
    _require(
        len(n_id) == num_nodes and len(n_id.unique()) == num_nodes,
        f"n_id of {node_type} must name each of its {num_nodes} rows once",
    )
    if node_type not in (USER, ITEM):
        return
    trained = store.train_row[store.train_row >= 0]
    _require(
        len(store.train_row) == num_nodes and len(trained.unique()) == len(trained),
        f"train_row of {node_type} must be -1 or a row of its own for each node",
    )
    if node_type == USER:
        _require(
            len(store.person) == num_nodes
            and len(store.person.unique()) == num_nodes
            and bool((store.person >= 0).all()),
            "person must give each user a number from 0 on, of its own",
        )


def _check_matrix(data: HeteroData, edge_type: EdgeType) -> None:
    source, _, destination = edge_type
    matrix = data[edge_type].adj_t
    shape = (data[destination].num_nodes, data[source].num_nodes)
    _require(
        tuple(matrix.shape) == shape,
        f"adj_t of {edge_type} is {tuple(matrix.shape)}, its nodes ask for {shape}",
    )
    try:
        # Pointers and columns ascending and in range: torch knows how to tell.
        torch.sparse_csr_tensor(
            matrix.crow_indices(),
            matrix.col_indices(),
            matrix.values(),
            shape,
            check_invariants=True,
        )
    except RuntimeError as error:
        raise ValueError(f"broken graph: adj_t of {edge_type}: {error}") from error
    weights = matrix.values()
    _require(
        bool((torch.isfinite(weights) & (weights > 0)).all()),
        f"adj_t of {edge_type} has weights that are not finite and positive",
    )


def _check_transpose(data: HeteroData, edge_type: EdgeType) -> None:
    store = data[edge_type]
    adj, perm = transpose(store.adj_t)
    _require(
        _equal(adj, store.adj) and torch.equal(perm, store.perm),
        f"adj and perm of {edge_type} are not the transpose of adj_t",
    )


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and all(
        torch.equal(x, y)
        for x, y in (
            (a.crow_indices(), b.crow_indices()),
            (a.col_indices(), b.col_indices()),
            (a.values(), b.values()),
        )
    )
