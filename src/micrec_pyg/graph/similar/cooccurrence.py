"""Neighbours by co-occurrence: nodes with the same edges, whatever they look like.

A control of the content: it knows interactions only, as propagation does.
"""

import hashlib
import warnings

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.graph.similar.cache import stored_lists
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, best_pairs

FORMAT = "micrec co-occurrence lists 1"
"""Goes into every key; raise the number when the lists' definition changes."""


def cooccurrence_lists(
    edges: Int[Tensor, "2 edges"],
    shape: tuple[int, int],
    *,
    k: int,
    include_self: bool,
    block_products: int = 2**21,
) -> NeighborLists:
    r"""Return the k nodes with the most similar sets of edges, for every node.

    .. math:: s(a, b) = |N_a \cap N_b| / \sqrt{|N_a| |N_b|}

    The cosine of two rows of the 0/1 matrix. Exact; nodes without a common
    neighbour are never in each other's list.

    Args:
        edges: Distinct (node, other side) pairs, sorted by node. Never validation
            or test edges.
        shape: Number of nodes and of nodes of the other side.
        k: Columns of the result.
        include_self: Whether a node may be its own neighbour.
        block_products: Products of a block of rows that are held at a time, or those
            of one row where they are more; it changes no result.
    """
    node, other = edges
    degree = torch.bincount(node, minlength=shape[0])
    start = degree.cumsum(0) - degree
    width = torch.bincount(other, minlength=shape[1])
    products = torch.zeros(shape[0], dtype=torch.int64)
    products.index_add_(0, node, width[other])
    block = products.cumsum(0) // block_products
    sizes = torch.unique_consecutive(block, return_counts=True)[1].tolist()
    from_other = _matrix(other, node, (shape[1], shape[0])).coalesce()
    index, similarity = [], []
    for rows in torch.split(torch.arange(shape[0]), sizes):
        first, last = int(rows[0]), int(rows[-1])
        held = slice(int(start[first]), int(start[last] + degree[last]))
        to_other = _matrix(node[held] - first, other[held], (len(rows), shape[1]))
        common = _product(to_other, from_other)
        row, col = common.indices()
        # The square is a quotient of whole numbers: equal ones tie to the last bit.
        square = common.values().square() / (degree[row + first] * degree[col])
        if not include_self:
            square = torch.where(row + first == col, 0.0, square)
        found = best_pairs(row, col, square.sqrt().float(), shape=(len(rows), k))
        index.append(found.index)
        similarity.append(found.similarity)
    return NeighborLists(torch.cat(index), torch.cat(similarity))


def cached_cooccurrence(
    edges: Int[Tensor, "2 edges"],
    shape: tuple[int, int],
    *,
    k: int,
    include_self: bool,
    cache_dir: str | None,
) -> NeighborLists:
    """Return ``cooccurrence_lists`` of these arguments, from disk if they are there.

    Args:
        edges: Distinct (node, other side) pairs, in any order.
        shape: Number of nodes and of nodes of the other side.
        k: Columns of the result.
        include_self: Whether a node may be its own neighbour.
        cache_dir: Folder of the files; None keeps nothing.
    """
    edges = edges[:, torch.argsort(edges[0] * shape[1] + edges[1])].contiguous()
    digest = hashlib.sha256(f"{FORMAT} {include_self} {shape}".encode())
    digest.update(edges.numpy().data)
    return stored_lists(
        digest.hexdigest(),
        num_nodes=shape[0],
        k=k,
        cache_dir=cache_dir,
        search=lambda: cooccurrence_lists(edges, shape, k=k, include_self=include_self),
    )


def _matrix(row: Tensor, col: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the 0/1 matrix with ones at these places, as a sparse tensor."""
    return torch.sparse_coo_tensor(
        torch.stack([row, col]),
        torch.ones(len(row), dtype=torch.float64),
        shape,
        check_invariants=False,
    )


def _product(a: Tensor, b: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # Raised once per process by the first CSR tensor; nothing to act upon.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in")
        product: Tensor = torch.sparse.mm(a, b)
    return product
