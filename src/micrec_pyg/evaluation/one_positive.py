"""A held-out item ranked alone among others, as the evaluators of many papers do it.

Each test pair is a case of its own: its item is ranked among negatives that are drawn
for it, or among all items that the user never had. What equal scores are worth is a
rule, and a constant score has a perfect hit rate under the kindest one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.evaluation.block_size import users_at_once
from micrec_pyg.schema import Score

KIND, EXPECTED, UNKIND = "for the positive", "expected", "against"
RULES = (KIND, EXPECTED, UNKIND)
"""Where the positive stands among equal scores: first, at a random place (the exact
expectation), last."""

NEVER = 2.0
"""The lot of what may not be drawn; lots are in [0, 1)."""


@dataclass(frozen=True, eq=False)
class Standings:
    """How the positive of each pair stands among the items it is ranked with."""

    above: Int[Tensor, " pairs"]
    """How many have a higher score."""
    equal: Int[Tensor, " pairs"]
    """How many have exactly its score."""
    others: Int[Tensor, " pairs"]
    """How many there are."""

    def of(self, pairs: Bool[Tensor, " pairs"]) -> "Standings":
        """Return those of some pairs."""
        return Standings(self.above[pairs], self.equal[pairs], self.others[pairs])

    def constant(self) -> "Standings":
        """Return those that a constant score has among the same items."""
        return Standings(torch.zeros_like(self.above), self.others, self.others)


@dataclass(frozen=True, eq=False)
class Judged:
    """What ``stand`` found of the pairs that can be asked."""

    user: Int[Tensor, " pairs"]
    sampled: Standings
    """Among the negatives that were drawn."""
    every: Standings
    """Among all items that the user never had."""


@torch.no_grad()
def stand(
    score: Score,
    pairs: Int[Tensor, "2 _pairs"],
    *,
    had: Int[Tensor, "2 _had"],
    answered: Bool[Tensor, " users"],
    num_items: int,
    count: int,
    generator: torch.Generator,
) -> Judged:
    """Return how the item of each pair stands among items that its user never had.

    The negatives follow from the pairs and the generator alone: they are drawn on the
    CPU, in blocks that no setting changes, also for users without an answer. So every
    model is asked about the same. Memory is that of the scores of one block.

    Args:
        score: Gives the scores of all items for a block of users.
        pairs: (user, item), ordered by user.
        had: All pairs of the users, the tested ones among them.
        answered: The users that ``score`` can be asked about; others are left out.
        num_items: That are scored.
        count: Negatives of each pair, without replacement; fewer where fewer are left.
        generator: Of the CPU; draws the negatives.
    """
    had = had[:, had[0].argsort()]
    size = users_at_once("auto", num_items, "cpu")
    users: list[Tensor] = []
    sampled: list[Standings] = []
    every: list[Standings] = []
    # torch.split gives one empty block for no pairs
    for block in pairs.split(size, dim=1) if pairs.shape[1] else ():
        free, row = _never_had(block[0], had, num_items)
        drawn, valid = _draw(free, row, count, generator)
        asked = answered[block[0]]
        if asked.any():
            own, positive = _scores(score, block[:, asked])
            free = free[row[asked]].to(own.device)
            drawn, valid = (each[asked].to(own.device) for each in (drawn, valid))
            users.append(block[0, asked])
            sampled.append(_count(own.gather(1, drawn), positive, valid))
            every.append(_count(own, positive, free))
    empty = torch.zeros(0, dtype=torch.int64)
    return Judged(torch.cat([empty, *users]), _joined(sampled), _joined(every))


def rule_values(
    standings: Standings, k: int
) -> Iterator[tuple[str, str, Float[Tensor, " pairs"]]]:
    """Yield (rule, metric, value of every pair): hit and NDCG at k, and MRR.

    Under the rule ``expected`` all places among the equals are equally likely, so the
    value is the mean gain of these places.

    Args:
        standings: Of the positives.
        k: Cut-off of hit and NDCG.
    """
    first, last = standings.above, standings.above + standings.equal
    most = int(standings.others.max()) + 1 if len(first) else 1
    rank = torch.arange(1, most + 1, dtype=torch.float64)
    inside = (rank <= k).double()
    gains = {
        f"hit@{k}": inside,
        f"ndcg@{k}": inside / (rank + 1).log2(),
        "mrr": 1 / rank,
    }
    for name, gain in gains.items():
        total = torch.nn.functional.pad(gain.cumsum(0), (1, 0))
        yield KIND, name, gain[first]
        yield EXPECTED, name, (total[last + 1] - total[first]) / (last + 1 - first)
        yield UNKIND, name, gain[last]


def _never_had(
    asked: Int[Tensor, " pairs"], had: Int[Tensor, "2 _had"], num_items: int
) -> tuple[Bool[Tensor, "users items"], Int[Tensor, " pairs"]]:
    """Return which items each user never had, and the row of each pair's user.

    Args:
        asked: The user of each pair, ascending.
        had: All pairs of all users, ordered by user.
        num_items: Of the table.
    """
    user, row = asked.unique(return_inverse=True)
    begin = int(torch.searchsorted(had[0], user[:1]))
    end = int(torch.searchsorted(had[0], user[-1:], right=True))
    near = had[:, begin:end]
    place = torch.searchsorted(user, near[0])
    own = user[place] == near[0]
    free = torch.ones(len(user), num_items, dtype=torch.bool)
    free[place[own], near[1, own]] = False
    return free, row


def _draw(
    free: Bool[Tensor, "users items"],
    row: Int[Tensor, " pairs"],
    count: int,
    generator: torch.Generator,
) -> tuple[Int[Tensor, "pairs count"], Bool[Tensor, "pairs count"]]:
    """Return items for each pair, and which of them are there.

    Every item draws a lot and the lowest ones are taken: without replacement, and
    every set is equally likely.
    """
    lots = torch.rand(len(row), free.shape[1], generator=generator)
    lots.masked_fill_(~free[row], NEVER)
    lowest = lots.topk(min(count, free.shape[1]), largest=False, sorted=False)
    return lowest.indices, lowest.values < NEVER


def _scores(
    score: Score, pairs: Int[Tensor, "2 pairs"]
) -> tuple[Float[Tensor, "pairs items"], Float[Tensor, "pairs 1"]]:
    """Return the scores of all items for the user of each pair, and of its own item."""
    user, row = pairs[0].unique(return_inverse=True)
    scores = score(user)
    own = scores[row.to(scores.device)]
    return own, own.gather(1, pairs[1].to(own.device)[:, None])


def _count(
    scores: Float[Tensor, "pairs n"],
    positive: Float[Tensor, "pairs 1"],
    counted: Bool[Tensor, "pairs n"],
) -> Standings:
    """Return how each positive stands among the scores that count."""
    return Standings(
        above=((scores > positive) & counted).sum(1).cpu(),
        equal=((scores == positive) & counted).sum(1).cpu(),
        others=counted.sum(1).cpu(),
    )


def _joined(blocks: Sequence[Standings]) -> Standings:
    """Return the standings of all blocks as one."""
    empty = torch.zeros(0, dtype=torch.int64)
    return Standings(
        above=torch.cat([empty, *(each.above for each in blocks)]),
        equal=torch.cat([empty, *(each.equal for each in blocks)]),
        others=torch.cat([empty, *(each.others for each in blocks)]),
    )
