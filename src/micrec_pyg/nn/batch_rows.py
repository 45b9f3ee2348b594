"""The nodes that a batch asks about: z is needed of them alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.schema import Batch, Embeddings, Pair, Pool, Triplets


@dataclass(frozen=True, eq=False)
class NodeRows:
    """Which nodes of one graph are asked about, in graph rows; repeats are fine.

    Users are those of the triplets, those with many negatives, then those that the
    domain shares, pair by pair; items are the positives, then the negatives, first
    of the triplets. So the vectors of a triplet lie side by side, and the losses
    read slices instead of gathering again.
    """

    user: Int[Tensor, " _asked_users"]
    item: Int[Tensor, " _asked_items"]
    shared: Mapping[Pair, slice]
    """Places of the users that a pair of domains shares."""
    num_triplets: int = 0
    num_compared: int = 0
    """Negatives of the triplets: as many, or those of a pool."""
    num_positives: int = 0
    """Of those with many negatives."""

    def triplets(
        self, z: Embeddings
    ) -> tuple[
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_negatives dim"],
    ]:
        """Return the vectors of users, positives and negatives, from those asked.

        There is a negative for each positive, or a pool of them that all share.
        """
        size, count = self.num_triplets, self.num_compared
        pos, neg, _ = z.item.split([size, count, len(z.item) - size - count])
        # a slice, even of all rows, has a gradient that is copied into zeros
        user = z.user if size == len(z.user) else z.user[:size]
        return user, pos, neg

    def negatives(
        self, z: Embeddings
    ) -> tuple[
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch dim"],
        Float[Tensor, "_batch _negatives dim"],
    ]:
        """Return the vectors of users, positives and their many negatives."""
        first, size = self.num_triplets, self.num_positives
        before = first + self.num_compared
        _, pos, neg = z.item.split([before, size, len(z.item) - before - size])
        return z.user[first : first + size], pos, neg.view(size, -1, neg.shape[1])


def asked(batch: Batch) -> dict[str, NodeRows]:
    """Return the nodes that the losses read, by domain.

    So a model computes z of a few thousand nodes and not of all. Rows of users are
    not among them: their losses read every item.
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
    return {
        domain: NodeRows(
            user=torch.cat(rows_of),
            item=torch.cat(items.get(domain, [rows_of[0][:0]])),
            shared=shared.get(domain, {}),
            num_triplets=len(first[domain].user) if domain in first else 0,
            num_compared=len(first[domain].neg) if domain in first else 0,
            num_positives=(
                len(batch.negatives[domain].user) if domain in batch.negatives else 0
            ),
        )
        for domain, rows_of in users.items()
    }


def take(z: Embeddings, rows: NodeRows) -> Embeddings:
    """Return the vectors of some nodes."""
    return Embeddings(
        user=z.user.index_select(0, rows.user), item=z.item.index_select(0, rows.item)
    )


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
