"""The nodes that a batch asks about: z is needed of them alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import ITEM, USER, Batch, Embeddings, Pair, Pool, Triplets

Counted = tuple[Tensor, Tensor | None]
"""Vectors, and how often each of them counts; None is once."""


@dataclass(frozen=True, eq=False)
class NodeRows:
    """Which nodes of one graph are computed, in graph rows, and who asks for them.

    Users are those of the triplets, those with many negatives, then those that the
    domain shares, pair by pair; items are the positives, then the negatives, first
    of the triplets. They stand in this order, with repeats, so that the losses read
    slices instead of gathering again; or every node stands once, and has a place.
    """

    user: Int[Tensor, " _asked_users"]
    item: Int[Tensor, " _asked_items"]
    shared: Mapping[Pair, slice]
    """Places of the users that a pair of domains shares, in the order above."""
    user_place: Int[Tensor, " _user_places"] | None = None
    """Row of every asker in ``user``, which are all users; None: in order."""
    item_place: Int[Tensor, " _item_places"] | None = None
    num_triplets: int = 0
    num_compared: int = 0
    """Negatives of the triplets: as many, or those of a pool."""
    num_positives: int = 0
    """Of those with many negatives."""

    @property
    def is_whole(self) -> bool:
        """Whether every node stands once."""
        return self.user_place is not None and self.item_place is not None

    def triplets(
        self, z: Embeddings
    ) -> tuple[
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_negatives dim"],
    ]:
        """Return the vectors of users, positives and negatives, from those computed.

        There is a negative for each positive, or a pool of them that all share.
        """
        size, count = self.num_triplets, self.num_compared
        pos, neg = _part(z.item, self.item_place, slice(size + count)).split(
            [size, count]
        )
        return _part(z.user, self.user_place, slice(size)), pos, neg

    def negatives(
        self, z: Embeddings
    ) -> tuple[
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch _negatives dim"],
    ]:
        """Return the vectors of users, positives and their many negatives."""
        first, size = self.num_triplets, self.num_positives
        item = _part(
            z.item, self.item_place, slice(first + self.num_compared, self._asked_items)
        )
        pos, neg = item.split([size, len(item) - size])
        user = _part(z.user, self.user_place, slice(first, first + size))
        return user, pos, neg.view(size, -1, neg.shape[1])

    def shared_users(self, z: Embeddings, pair: Pair) -> Float[Tensor, "_users dim"]:
        """Return the vectors of the users that a pair of domains shares."""
        return _part(z.user, self.user_place, self.shared[pair])

    def counted(self, z: Embeddings) -> tuple[Counted, Counted]:
        """Return the vectors of the triplets' users, and of their positives.

        Where every node stands once, its count is how many triplets name it.
        """
        size = self.num_triplets
        return (
            _counted(z.user, self.user_place, size),
            _counted(z.item, self.item_place, size),
        )

    @property
    def _asked_items(self) -> int:
        return len(self.item if self.item_place is None else self.item_place)


def asked(
    batch: Batch, graphs: Mapping[str, HeteroData] | None = None
) -> dict[str, NodeRows]:
    """Return the nodes that the losses read, by domain.

    So a model computes z of a few thousand nodes and not of all. Rows of users are
    not among them: their losses read every item.

    Args:
        batch: Of one step.
        graphs: By domain. Where they are given, and a graph has fewer nodes than the
            batch asks for, every node stands once: for models whose dense layers cost
            more than to gather vectors twice.
    """
    users: dict[str, list[Tensor]] = {}
    items: dict[str, list[Tensor]] = {}
    shared: dict[str, dict[Pair, slice]] = {}
    first: dict[str, Triplets | Pool] = {**batch.triplets, **batch.pool}
    parts: tuple[Mapping[str, Triplets | Pool], ...] = (first, batch.negatives)
    for part in parts:
        for domain, given in part.items():
            users.setdefault(domain, []).append(given.user)
            items.setdefault(domain, []).extend((given.pos, given.neg.flatten()))
    for pair, rows in batch.overlap.items():
        for domain, row in zip(pair, rows, strict=True):
            before = users.setdefault(domain, [])
            start = sum(len(part) for part in before)
            before.append(row)
            shared.setdefault(domain, {})[pair] = slice(start, start + len(row))
    found = {}
    for domain, rows_of in users.items():
        data = None if graphs is None else graphs[domain]
        user, user_place = _computed(torch.cat(rows_of), data, USER)
        item, item_place = _computed(
            torch.cat(items.get(domain, [rows_of[0][:0]])), data, ITEM
        )
        found[domain] = NodeRows(
            user=user,
            item=item,
            shared=shared.get(domain, {}),
            user_place=user_place,
            item_place=item_place,
            num_triplets=len(first[domain].user) if domain in first else 0,
            num_compared=len(first[domain].neg) if domain in first else 0,
            num_positives=(
                len(batch.negatives[domain].user) if domain in batch.negatives else 0
            ),
        )
    return found


def _computed(
    rows: Tensor, data: HeteroData | None, kind: str
) -> tuple[Tensor, Tensor | None]:
    """Return rows as they are; or all nodes of a small graph, and places in them."""
    # a choice by sizes alone: a recorded step has one shape
    if data is None or data[kind].num_nodes >= len(rows):
        return rows, None
    return torch.arange(data[kind].num_nodes, device=rows.device), rows


def _part(z: Tensor, place: Tensor | None, some: slice) -> Tensor:
    """Return the vectors of some askers."""
    if place is not None:
        return z.index_select(0, place[some])
    # a slice, even of all rows, has a gradient that is copied into zeros
    return z if range(len(z))[some] == range(len(z)) else z[some]


def _counted(z: Tensor, place: Tensor | None, size: int) -> Counted:
    if place is None:
        return _part(z, None, slice(size)), None
    count = torch.zeros(len(z), device=z.device)
    # whole numbers: exact in any order
    return z, count.index_add_(0, place[:size], torch.ones(size, device=z.device))


def take(z: Embeddings, rows: NodeRows) -> Embeddings:
    """Return the vectors of the nodes that are computed."""
    user, item = z.user, z.item
    if rows.user_place is None:
        user = user.index_select(0, rows.user)
    if rows.item_place is None:
        item = item.index_select(0, rows.item)
    return Embeddings(user=user, item=item)


def logits_of(
    user: Float[Tensor, "batch dim"], item: Float[Tensor, "items dim"], given: Triplets
) -> Float[Tensor, "batch columns"]:
    """Return the scores of the positives, then of the negatives of each.

    Args:
        user: Vectors of the users of the batch, row by row.
        item: Of all items.
        given: The batch, with many negatives for each positive.
    """
    rows = torch.cat([given.pos.view(-1, 1), given.neg], dim=1)
    vectors = item.index_select(0, rows.flatten()).view(*rows.shape, -1)
    return (vectors @ user.unsqueeze(2)).squeeze(2)
