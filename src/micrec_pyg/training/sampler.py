"""Draws the batches of an epoch; a negative is never a training positive."""

from collections.abc import Collection, Iterator

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Batch,
    InputError,
    RandomStreams,
    TrainStage,
    Triplets,
)

MAX_OVERLAP = 2048
"""Most shared users in one contrastive batch."""


class TripletSampler:
    """Draws (user, positive, negative), exactly and without a loop over users.

    The user is uniform over users with a positive, the positive uniform over the
    user's, the negative uniform over the items that are not among them (INMO's
    sampling). Users who have every item have no negative and are never drawn.
    """

    def __init__(
        self, positives: Int[Tensor, "2 _"], num_users: int, num_items: int
    ) -> None:
        """Index the positives; duplicates count once.

        Raises:
            InputError: No user has both a positive and a possible negative.
        """
        self.num_items = num_items
        keys = (positives[0] * num_items + positives[1]).unique()  # sorted
        user, self.item = keys // num_items, keys % num_items
        count = torch.bincount(user, minlength=num_users)
        self.start = torch.cumsum(count, 0) - count
        self.count = count
        nth = torch.arange(len(keys), device=keys.device) - self.start[user]
        self.gaps = user * num_items + self.item - nth
        self.users = ((count > 0) & (count < num_items)).nonzero().view(-1)
        if not len(self.users):
            raise InputError(
                "no user has both an item to prefer and an item to prefer it to; "
                "training needs at least one"
            )

    def draw(self, size: int, generator: torch.Generator) -> Triplets:
        """Return ``size`` independent triplets.

        The r-th negative of a user, counted from 0, is item r + p, where p is the
        number of positives with at most r negatives before them: ``gaps`` holds the
        numbers of negatives before each positive, so a binary search finds p.
        """
        device = self.item.device
        place = torch.randint(
            len(self.users), (size,), generator=generator, device=device
        )
        user = self.users.index_select(0, place)
        share = torch.rand(
            2, size, dtype=torch.float64, generator=generator, device=device
        )
        start = self.start.index_select(0, user)
        count = self.count.index_select(0, user)
        pos = self.item.index_select(0, start + (share[0] * count).long())
        r = (share[1] * (self.num_items - count)).long()
        before = torch.searchsorted(self.gaps, user * self.num_items + r, right=True)
        return Triplets(user=user, pos=pos, neg=r + before - start)


class Sampler:
    """Draws every part of a batch that the losses ask for, for all domains.

    The largest domain sets the number of steps of an epoch; the others draw as
    many batches, that is more samples than they have edges.
    """

    def __init__(
        self,
        stage: TrainStage,
        *,
        batch_size: int,
        parts: Collection[str],
        streams: RandomStreams,
    ) -> None:
        """Index the positives of every domain that is trained on.

        Args:
            stage: Training graphs and positives.
            batch_size: Triplets per domain and step.
            parts: Fields of ``Batch`` to fill; others stay empty.
            streams: A stream per domain and part draws the samples.
        """
        self.batch_size, self.streams = batch_size, streams
        self.overlap = dict(stage.overlap) if "overlap" in parts else {}
        self.overlap = {p: rows for p, rows in self.overlap.items() if rows.shape[1]}
        most = max(labels.shape[1] for labels in stage.labels.values())
        self.num_steps = -(-most // batch_size)
        self.samplers: dict[str, dict[str, TripletSampler]] = {
            "triplets": {},
            "template_triplets": {},
        }
        for domain, data in stage.graphs.items():
            if "triplets" in parts:
                self.samplers["triplets"][domain] = TripletSampler(
                    stage.labels[domain], data[USER].num_nodes, data[ITEM].num_nodes
                )
            if "template_triplets" in parts:
                self.samplers["template_triplets"][domain] = TripletSampler(
                    template_pairs(data, stage.labels[domain]),
                    data[USER_TEMPLATE].num_nodes,
                    data[ITEM_TEMPLATE].num_nodes,
                )

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch, fresh every time."""
        for _ in range(self.num_steps):
            yield self.draw()

    def draw(self) -> Batch:
        """Return the samples of one step."""
        drawn = {
            part: {
                domain: sampler.draw(self.batch_size, self.streams(part, domain))
                for domain, sampler in samplers.items()
            }
            for part, samplers in self.samplers.items()
        }
        return Batch(
            triplets=drawn["triplets"],
            template_triplets=drawn["template_triplets"],
            overlap={pair: self._shared(pair) for pair in self.overlap},
        )

    def _shared(self, pair: tuple[str, str]) -> Tensor:
        rows = self.overlap[pair]
        order = torch.randperm(
            rows.shape[1],
            generator=self.streams("overlap", *pair),
            device=rows.device,
        )
        return rows[:, order[:MAX_OVERLAP]]


def template_pairs(data: HeteroData, labels: Int[Tensor, "2 _"]) -> Int[Tensor, "2 _"]:
    """Return the positives whose two ends are templates, in template rows."""
    sides = ((USER, USER_TEMPLATE), (ITEM, ITEM_TEMPLATE))
    rows = torch.stack(
        [
            _template_row(data[kind].n_id, data[template].n_id)[edge]
            for (kind, template), edge in zip(sides, labels, strict=True)
        ]
    )
    return rows[:, (rows >= 0).all(0)]


def _template_row(node: Tensor, template: Tensor) -> Tensor:
    """Return the template row of every node, -1 where it is no template."""
    row = node.new_full((int(node.max()) + 1,), -1)
    row[template] = torch.arange(len(template), device=node.device)
    return row[node]
