"""Nearest neighbours by faiss, for catalogues too large to compare every pair.

An index proposes candidates, which are scored by the definition, as in the exact
search. How many of the true neighbours are found is measured on a sample, and the index
looks further until it is enough.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.similar.few import Compared, few_neighbors, inverse_norms
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, best_pairs
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

RECALL, RECALL_AT = 0.95, 10
"""Least share of the true neighbours that are found, of the first so many."""
SAMPLED = 500
"""Nodes whose exact lists the recall is measured by."""
PROPOSED = 4
"""Candidates for each neighbour that is wanted."""
PER_CELL = 40
"""Vectors of each cell that its centre is learnt from; faiss asks for 39 or more."""
BLOCK = 2**14
"""Nodes whose vectors are in memory at a time."""


def approximate_lists(
    modalities: Sequence[Modality], *, num_nodes: int, k: int, include_self: bool
) -> NeighborLists:
    """Return most of the k most similar nodes of every node, and log how many.

    Memory beside the input is one byte for each number of the vectors. Where no setting
    of the index finds enough, the search is exact.

    Args:
        modalities: What ``weighted`` returned, at least one; may be mapped from disk.
        num_nodes: Number of nodes.
        k: Columns of the result.
        include_self: Whether a node may be its own neighbour.

    Raises:
        InputError: faiss is not installed.
    """
    index = _index(modalities, num_nodes)
    sample = _spread(num_nodes, SAMPLED)
    exact = _exact(modalities, sample, min(k, RECALL_AT) + 1)
    found, probes = 0.0, 4
    while found < RECALL and probes < index.nlist:
        probes = index.nprobe = min(2 * probes, index.nlist)
        lists = _lists(index, modalities, sample, exact.index.shape[1])
        found = recall(lists, exact)
    at = min(k, RECALL_AT)
    what = f"neighbours of {num_nodes:,} nodes by faiss: recall@{at}"
    if found < RECALL:
        logger.warning("%s %.3f; too little, searched exactly", what, found)
        return neighbor_lists(
            modalities, num_nodes=num_nodes, k=k, include_self=include_self
        )
    logger.info("%s %.3f (%d of %d cells)", what, found, probes, index.nlist)
    parts = []
    for rows in torch.arange(num_nodes).split(BLOCK):
        lists = _lists(index, modalities, rows, k + 1)
        parts.append(lists if include_self else _without(lists, rows))
    return NeighborLists(
        torch.cat([part.index[:, :k] for part in parts]),
        torch.cat([part.similarity[:, :k] for part in parts]),
    )


def recall(found: NeighborLists, exact: NeighborLists) -> float:
    """Return the share of the exact neighbours that are found, or are matched.

    A node as similar as the last exact neighbour counts: which of equals stands in a
    list says nothing about the search.
    """
    there = exact.index >= 0
    last = exact.similarity.masked_fill(~there, torch.inf).amin(1, keepdim=True)
    hits = ((found.similarity >= last) & (found.index >= 0)).sum()
    return float(hits / there.sum().clamp(min=1))


def _index(modalities: Sequence[Modality], num_nodes: int) -> Any:
    """Return a faiss index of all nodes: cells around centres, a byte per number."""
    try:
        import faiss
    except ImportError:
        raise InputError(
            "graph.ann_from: faiss is not installed; pip install 'micrec_pyg[ann]', or "
            "give graph.ann_from=null, which compares every pair"
        ) from None
    width = sum(m.values.shape[1] for m in modalities)
    cells = max(1, min(int(4 * num_nodes**0.5), num_nodes // PER_CELL))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width),
        width,
        cells,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.train(_vectors(modalities, _spread(num_nodes, PER_CELL * cells)))
    for rows in torch.arange(num_nodes).split(BLOCK):
        index.add(_vectors(modalities, rows))
    return index


def _spread(num_nodes: int, count: int) -> Int[Tensor, " rows"]:
    """Return some of the nodes, drawn by a seed of its own."""
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(num_nodes, generator=generator)[:count].sort().values


def _vectors(modalities: Sequence[Modality], rows: Tensor) -> np.ndarray:
    """Return vectors whose inner products are similarities where nothing is missing."""
    parts = []
    for each in (_take(m, rows) for m in modalities):
        scale = inverse_norms(each.values) * each.weight**0.5
        parts.append(each.values * scale.float()[:, None])
    return torch.cat(parts, dim=1).numpy()


def _take(modality: Modality, rows: Tensor) -> Modality:
    """Return a modality of some nodes."""
    values, mask = modality.values[rows], modality.mask[rows]
    return Modality(modality.name, modality.weight, values, mask)


def _lists(
    index: Any, modalities: Sequence[Modality], rows: Tensor, k: int
) -> NeighborLists:
    """Return the best k of what the index proposes to some nodes, themselves too."""
    wanted = min(PROPOSED * k, index.ntotal)
    proposed = torch.from_numpy(index.search(_vectors(modalities, rows), wanted)[1])
    row, place = (proposed >= 0).nonzero(as_tuple=True)
    node = proposed[row, place]
    similarity = torch.cat(
        [
            _similarity(modalities, rows[some], other)
            for some, other in zip(row.split(BLOCK), node.split(BLOCK), strict=True)
        ]
    )
    return best_pairs(row, node, similarity, shape=(len(rows), k))


def _similarity(
    modalities: Sequence[Modality], a: Tensor, b: Tensor
) -> Float[Tensor, " pairs"]:
    """Return the similarity of pairs of nodes by its definition."""
    pair = torch.arange(len(a))
    return _compared(modalities, a).similarity(pair, _compared(modalities, b), pair)


def _compared(modalities: Sequence[Modality], rows: Tensor) -> Compared:
    return Compared.of([_take(m, rows) for m in modalities])


def _exact(modalities: Sequence[Modality], sample: Tensor, k: int) -> NeighborLists:
    """Return the exact lists of some nodes, compared with a block of all at a time."""
    asked = _compared(modalities, sample)
    num_nodes = len(modalities[0].mask)
    best = NeighborLists(torch.full((len(sample), k), -1), torch.zeros(len(sample), k))
    for rows in torch.arange(num_nodes).split(BLOCK):
        new = few_neighbors(asked, _compared(modalities, rows), k=k, oneself=None)
        index = torch.where(new.index >= 0, new.index + rows[0], -1)
        both = torch.cat([best.index, index], dim=1)
        values = torch.cat([best.similarity, new.similarity], dim=1)
        row, place = (both >= 0).nonzero(as_tuple=True)
        shape = (len(sample), k)
        best = best_pairs(row, both[row, place], values[row, place], shape=shape)
    return best


def _without(lists: NeighborLists, rows: Tensor) -> NeighborLists:
    """Return lists in which no node is its own neighbour, one column shorter."""
    oneself = lists.index == rows[:, None]
    order = torch.argsort(oneself.byte(), dim=1, stable=True)
    index, similarity = (
        each.gather(1, order) for each in (lists.index, lists.similarity)
    )
    return NeighborLists(index, similarity).first(lists.index.shape[1] - 1)
