"""Exact nearest neighbours over several modalities, in blocks.

Method page, section 2: s(a, b) is the mean of the cosines of the modalities
that both nodes have, weighted, the weights renormalised to 1 over these. For
nodes with the same modalities that is one inner product of scaled, concatenated
vectors; so nodes are grouped by what they have (by *pattern*), and each pair of
patterns is searched by blocked matrix products.

The products only propose (``proposals``). Candidates are then scored by the
definition itself in float64 and rounded to float32. Hence the lists are exact and
depend neither on the block size nor on the number of threads.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.similar.blocks import Blocks, blocks_of, proposing
from micrec_pyg.graph.similar.equal_rows import equal_rows
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.neighbor_lists import (
    NeighborLists,
    best_pairs,
    place_in_run,
)
from micrec_pyg.graph.similar.proposals import Searched
from micrec_pyg.threads import in_threads

SCALE_BLOCK = 4096
"""Nodes whose vectors are scaled at a time."""
TINY = torch.finfo(torch.float32).tiny
"""Vectors shorter than this have no direction."""


def neighbor_lists(
    modalities: Sequence[Modality],
    *,
    num_nodes: int,
    k: int,
    include_self: bool,
    blocks: Blocks | None = None,
) -> NeighborLists:
    """Return the k most similar nodes of every node.

    Pairs without a common modality and pairs with a similarity of zero or below
    are never neighbours. Memory beside the input is O(nodes x k) and what ``blocks``
    says.

    Args:
        modalities: What ``weighted`` returned; none means no neighbours.
        num_nodes: Number of nodes.
        k: Columns of the result.
        include_self: Whether a node may be its own neighbour.
        blocks: How much is held at a time; it changes no result. None takes what
            suits the device.
    """
    if not modalities or k == 0 or num_nodes == 0:
        return _no_neighbors(num_nodes, k)
    # Equal nodes (users with the same history, say) are searched once. One more
    # column than asked for, since a node finds itself.
    group, members = _equal_nodes(modalities, k + 1)
    search = _Search([_take(m, members[:, 0]) for m in modalities], k + 1)
    device = modalities[0].mask.device
    with proposing(device):
        found = search.run(blocks or blocks_of(device))
    lists = _with_all_members(found, members)
    index, similarity = lists.index[group], lists.similarity[group]
    if not include_self:
        oneself = index == torch.arange(num_nodes, device=index.device)[:, None]
        others_first = torch.argsort(oneself.byte(), dim=1, stable=True)
        index, similarity = (t.gather(1, others_first) for t in (index, similarity))
    return NeighborLists(index, similarity).first(k)


def _no_neighbors(num_nodes: int, k: int) -> NeighborLists:
    return NeighborLists(
        torch.full((num_nodes, k), -1), torch.zeros((num_nodes, k), dtype=torch.float32)
    )


def _equal_nodes(
    modalities: Sequence[Modality], limit: int
) -> tuple[Int[Tensor, " nodes"], Int[Tensor, "groups members"]]:
    """Return the group of each node and each group's first nodes, -1 padded.

    Groups are numbered by their lowest node, so that a tie between groups breaks
    as a tie between these nodes does. Then the ``limit`` best nodes are found in
    the ``limit`` best groups.
    """
    label = equal_rows([part for m in modalities for part in (m.values, m.mask)])
    node = torch.arange(len(label), device=label.device)
    lowest = torch.full_like(label, len(label)).scatter_reduce_(0, label, node, "amin")
    _, group = torch.unique(lowest[label], return_inverse=True)
    order = torch.argsort(group, stable=True)
    place = place_in_run(group[order])
    kept = place < limit
    members = group.new_full((int(group.max()) + 1, int(place[kept].max()) + 1), -1)
    members[group[order][kept], place[kept]] = order[kept]
    return group, members


def _take(modality: Modality, nodes: Tensor) -> Modality:
    if len(nodes) == len(modality.mask):
        return modality  # all differ, in their order: no copy
    return Modality(
        modality.name, modality.weight, modality.values[nodes], modality.mask[nodes]
    )


def _with_all_members(lists: NeighborLists, members: Tensor) -> NeighborLists:
    """Replace each listed group by its members and keep the best of them."""
    found = lists.index >= 0
    node = torch.where(found[..., None], members[lists.index], -1)
    row, column, member = (node >= 0).nonzero(as_tuple=True)
    return best_pairs(
        row,
        node[row, column, member],
        lists.similarity[row, column],
        shape=(lists.index.shape[0], lists.index.shape[1]),
    )


def vector_norms(values: Float[Tensor, "nodes width"]) -> Float[Tensor, " nodes"]:
    """Return the lengths in float64; block by block, as torch widens its input."""
    return torch.cat(
        [
            torch.linalg.vector_norm(part, dim=1, dtype=torch.float64)
            for part in values.split(SCALE_BLOCK)
        ]
    )


class _Search:
    """The search over distinct nodes; every node may find itself."""

    def __init__(self, modalities: Sequence[Modality], k: int) -> None:
        self.modalities = modalities
        self.k = k
        norms = [vector_norms(m.values) for m in modalities]
        # A zero vector has cosine 0 with everything.
        self.inverse_norms = [torch.where(n > TINY, 1 / n, 0.0) for n in norms]
        bits = [m.mask.long() << place for place, m in enumerate(modalities)]
        self.pattern = torch.stack(bits).sum(0)

    def run(self, blocks: Blocks) -> NeighborLists:
        """Return the lists, pattern by pattern and block by block."""
        num_nodes = len(self.pattern)
        index = self.pattern.new_full((num_nodes, self.k), -1)
        similarity = self.inverse_norms[0].new_zeros(index.shape, dtype=torch.float32)
        lists = NeighborLists(index, similarity)
        for pattern in self._patterns():
            nodes = (self.pattern == pattern).nonzero().flatten()
            for common, searched in self._searched(pattern, blocks.searched):
                rows, workers = blocks.divided(len(nodes), searched.padded)
                extend = partial(
                    self._extend, lists, searched, common, blocks, threading.local()
                )
                in_threads(extend, torch.split(nodes, rows), workers)
        return lists

    def _extend(
        self,
        lists: NeighborLists,
        searched: Searched,
        common: int,
        blocks: Blocks,
        of_thread: threading.local,
        block: Int[Tensor, " nodes"],
    ) -> None:
        """Put what is found for some nodes into their lists."""
        needed = len(block) * searched.padded
        # One buffer for all products: fresh memory costs more than they do.
        buffer = getattr(of_thread, "buffer", lists.similarity[:0, 0])
        if len(buffer) < needed:
            buffer = of_thread.buffer = buffer.new_empty(needed)
        so_far = NeighborLists(lists.index[block], lists.similarity[block])
        proposed = searched.propose(
            self._vectors(block, common),
            self.k,
            least=so_far.similarity[:, -1],
            buffer=buffer,
        )
        found = self._best(block, *proposed, so_far, blocks.refined)
        lists.index[block], lists.similarity[block] = found.index, found.similarity

    def _patterns(self) -> list[int]:
        return [int(p) for p in torch.unique(self.pattern) if p > 0]

    def _searched(self, pattern: int, size: int) -> Iterator[tuple[int, Searched]]:
        """Yield what is shared with each other pattern, and some of its nodes."""
        for other in self._patterns():
            if common := pattern & other:
                width = self._width(common)
                every = (self.pattern == other).nonzero().flatten()
                for nodes in every.split(max(1, size // width)):
                    searched = Searched.of(nodes, width, self.k)
                    for place in torch.arange(len(nodes)).split(SCALE_BLOCK):
                        searched.vectors[place] = self._vectors(nodes[place], common)
                    yield common, searched

    def _best(
        self,
        nodes: Tensor,
        row: Tensor,
        col: Tensor,
        so_far: NeighborLists,
        refined: int,
    ) -> NeighborLists:
        """Return the best of the lists so far and of the proposed pairs."""
        similarity = self._similarity(nodes[row], col, refined)
        before, place = (so_far.index >= 0).nonzero(as_tuple=True)
        return best_pairs(
            torch.cat([before, row]),
            torch.cat([so_far.index[before, place], col]),
            torch.cat([so_far.similarity[before, place], similarity]),
            shape=(len(nodes), self.k),
        )

    def _width(self, common: int) -> int:
        shared = [m for p, m in enumerate(self.modalities) if common >> p & 1]
        return sum(m.values.shape[1] for m in shared)

    def _vectors(self, nodes: Tensor, common: int) -> Float[Tensor, "nodes width"]:
        """Return vectors whose inner products are similarities over ``common``."""
        shared = [p for p in range(len(self.modalities)) if common >> p & 1]
        total = sum(self.modalities[p].weight for p in shared)
        parts = []
        for p in shared:
            scale = self.inverse_norms[p][nodes] * math.sqrt(
                self.modalities[p].weight / total
            )
            parts.append(self.modalities[p].values[nodes] * scale.float()[:, None])
        return torch.cat(parts, dim=1)

    def _similarity(
        self, a: Tensor, b: Tensor, refined: int
    ) -> Float[Tensor, " pairs"]:
        """Return s(a, b) of pairs that share a modality, as it is defined."""
        width = max(m.values.shape[1] for m in self.modalities)
        step = max(1, refined // width)
        chunks = zip(torch.split(a, step), torch.split(b, step), strict=True)
        return torch.cat([self._similarity_chunk(*chunk) for chunk in chunks])

    def _similarity_chunk(self, a: Tensor, b: Tensor) -> Tensor:
        total = torch.zeros(len(a), dtype=torch.float64, device=a.device)
        weight = torch.zeros_like(total)
        for m, inverse_norm in zip(self.modalities, self.inverse_norms, strict=True):
            dot = (m.values[a].double() * m.values[b]).sum(dim=1)
            total += m.weight * dot * inverse_norm[a] * inverse_norm[b]
            weight += m.weight * (m.mask[a] & m.mask[b]).double()
        return (total / weight).float()
