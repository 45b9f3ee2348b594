"""The nodes that a batch asks about: z is needed of them alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.schema import Batch, Embeddings, Triplets


@dataclass(frozen=True, eq=False)
class NodeRows:
    """Which nodes of one graph are asked about, in graph rows; repeats are fine."""

    user: Int[Tensor, " _asked_users"]
    item: Int[Tensor, " _asked_items"]


def asked(batch: Batch) -> tuple[dict[str, NodeRows], Batch]:
    """Return the nodes that the losses read, and the batch in places among them.

    So a model computes z of a few thousand nodes and not of all: the returned batch
    indexes the embeddings of exactly the returned rows. A domain's users are those
    of its triplets, then those that it shares, pair by pair; its items are the
    positives, then the negatives. ``template_triplets`` stay as they are.
    """
    users: dict[str, list[Tensor]] = {}
    items: dict[str, Tensor] = {}
    triplets, overlap = {}, {}
    for domain, given in batch.triplets.items():
        users[domain] = [given.user]
        items[domain] = torch.cat([given.pos, given.neg])
        place = torch.arange(2 * len(given.user), device=given.user.device)
        pos, neg = place.chunk(2)
        triplets[domain] = Triplets(user=pos, pos=pos, neg=neg)
    for pair, rows in batch.overlap.items():
        places = []
        for domain, row in zip(pair, rows, strict=True):
            before = users.setdefault(domain, [])
            start = sum(len(part) for part in before)
            places.append(torch.arange(start, start + len(row), device=row.device))
            before.append(row)
        overlap[pair] = torch.stack(places)
    found = {
        domain: NodeRows(user=torch.cat(parts), item=items.get(domain, parts[0][:0]))
        for domain, parts in users.items()
    }
    return found, Batch(triplets, batch.template_triplets, overlap)


def take(z: Embeddings, rows: NodeRows) -> Embeddings:
    """Return the vectors of some nodes."""
    return Embeddings(
        user=z.user.index_select(0, rows.user), item=z.item.index_select(0, rows.item)
    )
