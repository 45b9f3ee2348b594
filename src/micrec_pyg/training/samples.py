"""Draws one kind of samples of one domain; a negative is never a training positive."""

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.nn.histories import Histories
from micrec_pyg.nn.kernels import takes_triton
from micrec_pyg.schema import InputError, Pool, Triplets, UserRows


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
        count = 1 + (negatives or 1)
        if takes_triton(self.item):
            chosen = self._by_one_kernel(_shares(1 + count, size, generator))
        else:
            place = torch.randint(
                len(self.users), (size,), generator=generator, device=self.item.device
            )
            chosen = self._chosen(place, _shares(count, size, generator))
        user, pos, neg = chosen
        return Triplets(user=user, pos=pos, neg=neg[:, 0] if negatives is None else neg)

    def _by_one_kernel(self, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what random numbers choose, of which the first choose the users."""
        from micrec_pyg.nn.triton_triplets import triplets

        spans = self.start, self.count
        return triplets(share, self.users, spans, self.item, self.gaps, self.num_items)

    def _chosen(self, place: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what random numbers choose; there is a row of negatives per user."""
        user = self.users.index_select(0, place)
        start = self.start.index_select(0, user)
        count = self.count.index_select(0, user)
        pos = self.item.index_select(0, start + (share[0] * count).long())
        r = (share[1:] * (self.num_items - count)).long()
        before = torch.searchsorted(self.gaps, user * self.num_items + r, right=True)
        return user, pos, (r + before - start).T.contiguous()


def _shares(rows: int, size: int, generator: torch.Generator) -> Tensor:
    """Return random numbers in [0, 1), as float64."""
    return torch.rand(
        rows, size, dtype=torch.float64, generator=generator, device=generator.device
    )


def distinct(
    size: int, count: int, generator: torch.Generator
) -> Int[Tensor, " _count"]:
    """Return ``count`` distinct numbers below ``size`` in random order, at most all.

    On CUDA those of a keyed permutation, which needs no sort.

    Args:
        size: From so many is drawn.
        count: So many are.
        generator: Draws, where it lives.
    """
    device = generator.device
    if size and takes_triton(torch.empty(0, device=device)):
        from micrec_pyg.nn.triton_permutation import ROUNDS, places

        keys = torch.empty(ROUNDS, dtype=torch.int64, device=device)
        return places(
            keys.random_(-(2**63), None, generator=generator), size, min(count, size)
        )
    return torch.randperm(size, generator=generator, device=device)[:count]


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
        user = self.users.index_select(0, distinct(len(self.users), size, generator))
        return UserRows(user=user, interactions=self.histories.rows(user))


class PoolSampler:
    """Draws (user, positive), and items that all of a batch are compared with."""

    def __init__(
        self,
        positives: Int[Tensor, "2 _"],
        num_users: int,
        num_items: int,
        *,
        size: int,
        in_batch: bool,
    ) -> None:
        """Index the positives.

        Args:
            positives: (user, item); duplicates count once.
            num_users: Rows of users.
            num_items: Rows of items.
            size: Items of the pool, at most all.
            in_batch: Whether the positives of a batch are compared with, too.

        Raises:
            InputError: No user has both a positive and a possible negative.
        """
        self.pairs = TripletSampler(positives, num_users, num_items)
        self.histories = Histories(positives, num_users=num_users, num_items=num_items)
        self.size, self.in_batch = min(size, num_items), in_batch
        users, count = self.pairs.users, self.pairs.count
        # A positive is drawn by the chance of its user, over the user's positives.
        share = torch.zeros(num_users, dtype=torch.float64, device=count.device)
        share[users] = 1 / (len(users) * count[users].double())
        weight = share.repeat_interleave(count)
        chance = torch.bincount(self.pairs.item, weight, minlength=num_items)
        self.log_q = (chance * num_items).log().float()

    def draw(self, size: int, generator: torch.Generator) -> Pool:
        """Return ``size`` independent pairs, and one pool; nothing waits."""
        pairs = self.pairs.draw(size, generator)
        num_items = self.pairs.num_items
        pool = distinct(num_items, self.size, generator)
        compared = torch.cat([pool, pairs.pos]) if self.in_batch else pool
        return Pool(
            user=pairs.user,
            pos=pairs.pos,
            neg=pool,
            taken=self._taken(pairs.user, compared),
            log_q=self.log_q.index_select(0, pairs.pos),
        )

    def _taken(self, user: Tensor, item: Tensor) -> Tensor:
        """Return [users, items] whether each user has each item; items may repeat."""
        nth = torch.arange(len(item), device=item.device)
        # Of items that repeat one place stands for all; -1 is a place of nobody's.
        place = nth.new_full((self.pairs.num_items,), -1)
        place.scatter_reduce_(0, item, nth, "amax")
        column, _ = self.histories.columns(user)
        taken = place.new_zeros(len(user), len(item) + 1, dtype=torch.bool)
        taken.scatter_(1, place[column] + 1, True)
        if not self.in_batch:  # nothing repeats: every item is at its own place
            return taken[:, 1:]
        return taken.index_select(1, place[item] + 1)
