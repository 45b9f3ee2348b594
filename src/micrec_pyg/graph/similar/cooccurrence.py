"""Neighbours by co-occurrence: nodes with the same edges, whatever they look like.

A control of the content: it knows interactions only, as propagation does.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from micrec_pyg.graph.similar.cache import stored_lists
from micrec_pyg.graph.similar.neighbor_lists import POSITIVE, NeighborLists

FORMAT = "micrec co-occurrence lists 1"
"""Goes into every key; raise the number when the lists' definition changes."""


def cooccurrence_lists(
    edges: Int[Tensor, "2 edges"],
    shape: tuple[int, int],
    *,
    k: int,
    include_self: bool,
    block_products: int = 2**18,
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
    from scipy.sparse import csr_array

    node, other = edges.numpy()
    degree = np.bincount(node, minlength=shape[0])
    start = np.concatenate([[0], degree.cumsum()])
    to_other = csr_array((np.ones(len(node), np.int32), other, start), shape=shape)
    from_other = to_other.T.tocsr()
    width = np.diff(from_other.indptr)
    # every edge costs as many products as its other side has edges
    spent = np.concatenate([[0], width[other].cumsum()])[start]
    index = np.full((shape[0], k), -1)
    similarity = np.zeros((shape[0], k), np.float32)
    for rows in _blocks(spent, block_products, _most_rows(shape[0])):
        common = to_other[rows] @ from_other
        row = np.repeat(np.arange(rows.start, rows.stop), np.diff(common.indptr))
        # The square is a quotient of whole numbers: equal ones tie to the last bit.
        square = common.data.astype(float) ** 2 / (degree[row] * degree[common.indices])
        s = np.sqrt(square).astype(np.float32)
        kept = s > POSITIVE
        if not include_self:
            kept &= row != common.indices
        _write_best(
            row[kept] - rows.start,
            common.indices[kept],
            s[kept],
            index=index[rows],
            similarity=similarity[rows],
        )
    return NeighborLists(torch.from_numpy(index), torch.from_numpy(similarity))


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


SIMILARITY_BITS = 30
"""Of a float32 in [0, 1]: the two above them are 0, and larger numbers have more."""

ONE = int(np.float32(1.0).view(np.int32))


def _most_rows(num_nodes: int) -> int:
    """Return the rows of a block that fit into a key beside similarity and node."""
    return int(2 ** (63 - SIMILARITY_BITS - num_nodes.bit_length()))


def _blocks(
    spent: NDArray[np.int64], block_products: int, most_rows: int
) -> Iterator[slice]:
    """Yield all rows in slices of at most so many products and rows, or of one row.

    Args:
        spent: Products of all rows before each row, and of all.
        block_products: Products of a slice.
        most_rows: Rows of a slice.
    """
    first, count = 0, len(spent) - 1
    while first < count:
        fit = np.searchsorted(spent, spent[first] + block_products, side="right") - 1
        last = min(max(int(fit), first + 1), first + most_rows, count)
        yield slice(first, last)
        first = last


def _write_best(
    row: NDArray[np.int64],
    col: NDArray[np.integer],
    s: NDArray[np.float32],
    *,
    index: NDArray[np.int64],
    similarity: NDArray[np.float32],
) -> None:
    """Write the best pairs of each row by (similarity, lower column) into lists.

    One whole number says row, similarity and column, so that one plain sort orders the
    pairs: several times faster than a stable sort by each.

    Args:
        row: Ascending.
        col: Of each pair.
        s: Similarity of each pair, in (0, 1].
        index: The lists, filled with -1.
        similarity: Theirs, filled with 0.
    """
    num_rows, k = index.shape
    bits = 63 - SIMILARITY_BITS - (num_rows - 1).bit_length()
    key = row << SIMILARITY_BITS
    key |= ONE - s.view(np.int32)
    key <<= bits
    key |= col
    key.sort()
    count = np.bincount(row, minlength=num_rows).reshape(-1, 1)
    place = count.cumsum(axis=0).reshape(-1, 1) - count + np.arange(k)
    is_there = np.arange(k) < count
    best = key[place[is_there]]
    index[is_there] = best & (2**bits - 1)
    best = ONE - (best >> bits & (2**SIMILARITY_BITS - 1))
    similarity[is_there] = best.astype(np.int32).view(np.float32)
