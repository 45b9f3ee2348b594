"""Neighbour lists after some nodes changed: only what they touch is searched again.

Lists of the others stay, but for two reasons: a changed node may enter one, and one
that it leaves may be too short to tell who follows.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.graph.node_rows import places
from micrec_pyg.graph.similar.blocks import blocks_of
from micrec_pyg.graph.similar.few import Compared, few_neighbors
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, best_pairs
from micrec_pyg.graph.similar.proposals import rounding
from micrec_pyg.graph.similar.search import neighbor_lists

SHARE = 8
"""Of 1 in so many nodes, a search of all is faster than one for each."""


def changed_lists(
    before: NeighborLists,
    now: Compared,
    changed: Int[Tensor, " changed"],
    *,
    include_self: bool,
) -> NeighborLists:
    """Return what ``neighbor_lists`` would find now.

    Args:
        before: The lists before; nodes may have been added behind theirs.
        now: All nodes as they are now.
        changed: Rows that are new or differ in any modality, each once.
        include_self: Whether a node may be its own neighbour.
    """
    size, k = len(now), before.index.shape[1]
    if not k or not size or SHARE * len(changed) > size:
        return _all(now, k, include_self)
    is_changed = torch.zeros(size, dtype=torch.bool, device=changed.device)
    is_changed[changed] = True
    lists = _grown(before, size)
    found = _merged(lists, is_changed, *_entering(lists, now, changed, is_changed))
    # a list that was full and is not is followed by nodes that nobody looked at
    short = (lists.index[:, -1] >= 0) & (found.index[:, -1] < 0)
    again = (short | is_changed).nonzero().flatten()
    if SHARE * len(again) > size:
        return _all(now, k, include_self)
    oneself = None if include_self else again
    searched = few_neighbors(now.take(again), now, k=k, oneself=oneself)
    found.index[again], found.similarity[again] = searched.index, searched.similarity
    return found


def _all(now: Compared, k: int, include_self: bool) -> NeighborLists:
    return neighbor_lists(
        now.modalities, num_nodes=len(now), k=k, include_self=include_self
    )


def _grown(lists: NeighborLists, size: int) -> NeighborLists:
    """Return lists with empty ones behind them."""
    more = (0, 0, 0, size - len(lists.index))
    return NeighborLists(
        torch.nn.functional.pad(lists.index, more, value=-1),
        torch.nn.functional.pad(lists.similarity, more),
    )


def _merged(
    lists: NeighborLists,
    is_changed: Bool[Tensor, " nodes"],
    row: Int[Tensor, " pairs"],
    col: Int[Tensor, " pairs"],
    similarity: Float[Tensor, " pairs"],
) -> NeighborLists:
    """Return lists without the changed nodes, and with the pairs that enter them."""
    left = (lists.index >= 0) & is_changed[lists.index]
    touched = left.any(1)
    touched[row] = True
    rows = touched.nonzero().flatten()
    place = places(rows.cpu(), len(touched)).to(rows.device)
    kept = (lists.index[rows] >= 0) & ~left[rows]
    old, nth = kept.nonzero(as_tuple=True)
    new = best_pairs(
        torch.cat([old, place[row]]),
        torch.cat([lists.index[rows[old], nth], col]),
        torch.cat([lists.similarity[rows[old], nth], similarity]),
        shape=(len(rows), lists.index.shape[1]),
    )
    found = NeighborLists(lists.index.clone(), lists.similarity.clone())
    found.index[rows], found.similarity[rows] = new.index, new.similarity
    return found


def _entering(
    lists: NeighborLists, now: Compared, changed: Tensor, is_changed: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (row, changed node, similarity) wherever the node beats a list's last.

    Whoever was in no list is worse than its last, so that these are all that count.
    """
    last, worst = lists.index[:, -1], lists.similarity[:, -1]
    found = []
    step = max(1, blocks_of(changed.device).scores // len(now))
    for some in changed.split(step):
        asked = now.take(some)
        scores = asked.scores(now)
        close = (scores >= worst - rounding(now.width)) & (scores != 0) & ~is_changed
        place, row = close.nonzero(as_tuple=True)
        node, similarity = some[place], asked.similarity(place, now, row)
        enters = (similarity > worst[row]) | (
            (similarity == worst[row]) & (node <= last[row])
        )
        found.append((row[enters], node[enters], similarity[enters]))
    row, node, similarity = (torch.cat(part) for part in zip(*found, strict=True))
    return row, node, similarity
