"""Draws the batches of an epoch; a negative is never a training positive."""

from collections.abc import Collection, Iterator, Mapping

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.histories import Histories
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Batch,
    InputError,
    TrainStage,
    Triplets,
    UserRows,
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

    def draw(
        self, size: int, generator: torch.Generator, negatives: int | None = None
    ) -> Triplets:
        """Return ``size`` independent triplets.

        The r-th negative of a user, counted from 0, is item r + p, where p is the
        number of positives with at most r negatives before them: ``gaps`` holds the
        numbers of negatives before each positive, so a binary search finds p.

        Args:
            size: Number of positives.
            generator: Draws everything.
            negatives: Of each positive, independent of each other, as rows
                [size, negatives]; None draws one, as [size].
        """
        device = self.item.device
        place = torch.randint(
            len(self.users), (size,), generator=generator, device=device
        )
        user = self.users.index_select(0, place)
        share = torch.rand(
            1 + (negatives or 1),
            size,
            dtype=torch.float64,
            generator=generator,
            device=device,
        )
        start = self.start.index_select(0, user)
        count = self.count.index_select(0, user)
        pos = self.item.index_select(0, start + (share[0] * count).long())
        r = (share[1:] * (self.num_items - count)).long()
        before = torch.searchsorted(self.gaps, user * self.num_items + r, right=True)
        neg = r + before - start
        return Triplets(
            user=user, pos=pos, neg=neg[0] if negatives is None else neg.T.contiguous()
        )


class UserSampler:
    """Draws users with all their positives, as rows over the items."""

    def __init__(
        self, positives: Int[Tensor, "2 _"], num_users: int, num_items: int
    ) -> None:
        """Index the positives; users without any are never drawn."""
        self.histories = Histories(positives, num_users=num_users, num_items=num_items)
        self.users = positives[0].unique()

    def draw(self, size: int, generator: torch.Generator) -> UserRows:
        """Return ``size`` distinct users, or all if there are fewer."""
        order = torch.randperm(
            len(self.users), generator=generator, device=self.users.device
        )
        user = self.users.index_select(0, order[:size])
        return UserRows(user=user, interactions=self.histories.rows(user))


class Sampler:
    """Draws every part of a batch that the losses ask for, for all domains.

    The largest domain sets the number of steps of an epoch; the others draw as
    many batches, that is more samples than they have edges. An epoch has as many
    samples as the largest domain has positives, or as it has users where rows of
    users are all that is asked for.
    """

    def __init__(
        self,
        stage: TrainStage,
        *,
        batch_size: int,
        parts: Collection[str],
        streams: RandomStreams,
        num_negatives: int = 1,
    ) -> None:
        """Index the positives of every domain that is trained on.

        Args:
            stage: Training graphs and positives.
            batch_size: Triplets, or users, per domain and step.
            parts: Fields of ``Batch`` to fill; others stay empty.
            streams: A stream per domain and part draws the samples.
            num_negatives: Of each positive, in the part ``negatives``.
        """
        self.batch_size, self.streams = batch_size, streams
        self.num_negatives = num_negatives
        # Nothing is to be told apart where one user is shared: a loss of exactly 0.
        self.overlap = {
            pair: rows
            for pair, rows in stage.overlap.items()
            if "overlap" in parts and rows.shape[1] > 1
        }
        self.samplers = {
            part: _samplers(stage, template=part == "template_triplets")
            for part in ("triplets", "template_triplets", "negatives")
            if part in parts
        }
        self.users = _user_samplers(stage) if "users" in parts else {}
        if set(parts) == {"users"}:
            most = max(len(sampler.users) for sampler in self.users.values())
        else:
            most = max(labels.shape[1] for labels in stage.labels.values())
        self.num_steps = -(-most // batch_size)

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch, fresh every time."""
        for _ in range(self.num_steps):
            yield self.draw()

    def draw(self) -> Batch:
        """Return the samples of one step."""
        drawn = {
            part: {
                domain: sampler.draw(
                    self.batch_size,
                    self.streams(part, domain),
                    self.num_negatives if part == "negatives" else None,
                )
                for domain, sampler in samplers.items()
            }
            for part, samplers in self.samplers.items()
        }
        users = {
            domain: sampler.draw(self.batch_size, self.streams("users", domain))
            for domain, sampler in self.users.items()
        }
        overlap = {pair: self._shared(pair) for pair in self.overlap}
        return Batch(**drawn, users=users, overlap=overlap)

    def _shared(self, pair: tuple[str, str]) -> Tensor:
        rows = self.overlap[pair]
        order = torch.randperm(
            rows.shape[1],
            generator=self.streams("overlap", *pair),
            device=rows.device,
        )
        return rows[:, order[:MAX_OVERLAP]]


def _samplers(stage: TrainStage, *, template: bool) -> Mapping[str, TripletSampler]:
    """Return a sampler of triplets by domain, in rows of nodes or of templates."""
    found = {}
    for domain, data in stage.graphs.items():
        pairs, kinds = stage.labels[domain], (USER, ITEM)
        if template:
            pairs, kinds = template_pairs(data, pairs), (USER_TEMPLATE, ITEM_TEMPLATE)
        sizes = (data[kind].num_nodes for kind in kinds)
        found[domain] = TripletSampler(pairs, *sizes)
    return found


def _user_samplers(stage: TrainStage) -> Mapping[str, UserSampler]:
    """Return a sampler of users by domain."""
    return {
        domain: UserSampler(
            stage.labels[domain], data[USER].num_nodes, data[ITEM].num_nodes
        )
        for domain, data in stage.graphs.items()
    }


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
