"""The nodes that a batch asks about: z is needed of them alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.schema import Batch, Embeddings, Pair


@dataclass(frozen=True, eq=False)
class NodeRows:
    """Which nodes of one graph are asked about, in graph rows; repeats are fine.

    Users are those of the triplets, then those that the domain shares, pair by
    pair; items are the positives, then the negatives. So the vectors of a triplet
    lie side by side, and the losses read slices instead of gathering again.
    """

    user: Int[Tensor, " _asked_users"]
    item: Int[Tensor, " _asked_items"]
    shared: Mapping[Pair, slice]
    """Places of the users that a pair of domains shares."""

    def triplets(
        self, z: Embeddings
    ) -> tuple[
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch dim"],
    ]:
        """Return the vectors of users, positives and negatives, from those asked."""
        pos, neg = z.item.chunk(2)
        return z.user[: len(pos)], pos, neg


def asked(batch: Batch) -> dict[str, NodeRows]:
    """Return the nodes that the losses read, by domain.

    So a model computes z of a few thousand nodes and not of all.
    """
    users: dict[str, list[Tensor]] = {}
    items: dict[str, Tensor] = {}
    shared: dict[str, dict[Pair, slice]] = {}
    for domain, given in batch.triplets.items():
        users[domain] = [given.user]
        items[domain] = torch.cat([given.pos, given.neg])
    for pair, rows in batch.overlap.items():
        for domain, row in zip(pair, rows, strict=True):
            before = users.setdefault(domain, [])
            start = sum(len(part) for part in before)
            before.append(row)
            shared.setdefault(domain, {})[pair] = slice(start, start + len(row))
    return {
        domain: NodeRows(
            user=torch.cat(parts),
            item=items.get(domain, parts[0][:0]),
            shared=shared.get(domain, {}),
        )
        for domain, parts in users.items()
    }


def take(z: Embeddings, rows: NodeRows) -> Embeddings:
    """Return the vectors of some nodes."""
    return Embeddings(
        user=z.user.index_select(0, rows.user), item=z.item.index_select(0, rows.item)
    )
