"""Exact full-sort ranking: every item of the catalogue is a candidate.

A list is ordered by score, descending. Equal scores follow the item index, beginning
at an item of the user's own (``first_items``), and this order holds across the cut
at k too. So a list depends on the scores and the user's row alone: not on the batch
size, the order of the users or the device's top-k routine. Memory is
O(batch size x items), on a CPU for each of the threads that rank a block.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.evaluation.block_size import threads_at_once
from micrec_pyg.evaluation.ties import warn_of_ties
from micrec_pyg.nn.inner_products import reusing
from micrec_pyg.schema import InputError, RankedLists, Score
from micrec_pyg.threads import in_threads

CHUNK = 64
"""Columns whose maximum stands for them in the first stage of the top-k."""

UNIT = 2**32
GOLDEN = 2654435769
"""The golden ratio less 1, in parts of ``UNIT``."""

NEVER = float("-inf")
"""The score of what must not be recommended."""


def rank(
    score: Score,
    *,
    users: Int[Tensor, " rows"],
    n_id: Int[Tensor, " rows"],
    known: Int[Tensor, "2 _edges"],
    k: int,
    candidates: Bool[Tensor, " items"] | None,
    batch_size: int,
    domain: str | None = None,
) -> RankedLists:
    """Return the k best items of every user; see ``rank_groups``."""
    lists = rank_groups(
        score,
        users=users,
        n_id=n_id,
        known=known,
        k=k,
        candidates={"all": candidates},
        batch_size=batch_size,
        domain=domain,
    )
    return lists["all"]


@torch.no_grad()
def rank_groups(
    score: Score,
    *,
    users: Int[Tensor, " rows"],
    n_id: Int[Tensor, " rows"],
    known: Int[Tensor, "2 _edges"],
    k: int,
    candidates: Mapping[str, Bool[Tensor, " items"] | None],
    batch_size: int,
    domain: str | None = None,
) -> dict[str, RankedLists]:
    """Return the k best items of every user, once per set of candidates.

    Args:
        score: Gives the scores of some users, once for all sets; threads share it.
        users: Graph rows to rank for, in any order, on the device of the scores.
        n_id: Index of each of them in the vocabulary, which decides among equal scores.
        known: (user, item) pairs in graph rows that are never recommended.
        k: Length of the lists; -1 pads where fewer items are left.
        candidates: The items that may be recommended, by name; None means all.
        batch_size: Users per block. It changes time and memory only.
        domain: Name of what is ranked, for a warning.

    Raises:
        InputError: ``k`` or ``batch_size`` is below 1.
        ValueError: A score is NaN; the message says how many.
    """
    for name, value in (("k", k), ("batch_size", batch_size)):
        if value < 1:
            raise InputError(f"rank: {name}={value} was given; it must be at least 1")
    device = users.device
    start, row, history = _known_by_place(users, known.to(device))
    columns = {
        name: None if mask is None else mask.to(device).nonzero().flatten()
        for name, mask in candidates.items()
    }
    score = reusing(score)

    def lists_of(first: int) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        rows = users[first : first + batch_size]
        scores = _owned(score(rows))
        here = slice(start[first], start[first + len(rows)])
        scores[row[here] - first, history[here]] = NEVER
        indices = n_id[first : first + batch_size]
        return {name: _top(scores, c, k, indices) for name, c in columns.items()}

    # no users are one empty block: the lists then are [0, k]
    begins = range(0, max(len(users), 1), batch_size)
    num_items = score(users[:1]).shape[1] if len(users) > batch_size else 0
    workers = threads_at_once(len(users), batch_size, num_items, device)
    blocks = in_threads(lists_of, begins, workers)
    return {
        name: _join(name, domain, users, [block[name] for block in blocks])
        for name in columns
    }


def first_items(n_id: Int[Tensor, " rows"], num_items: int) -> Int[Tensor, " rows"]:
    """Return the item at which each user's order of equal scores begins.

    One order for all users would give a constant scorer the luck of a single draw.
    Here every item begins the order of about as many users as any other: multiples
    of the golden ratio, modulo 1, spread evenly over any number of users. So the mean
    over users comes close to the expectation under random ties.

    Args:
        n_id: Index of each user in the vocabulary, where order says nothing.
        num_items: How many candidates there are.
    """
    return ((n_id * GOLDEN) & (UNIT - 1)) * num_items // UNIT


def _known_by_place(
    users: Int[Tensor, " rows"], known: Int[Tensor, "2 _edges"]
) -> tuple[list[int], Int[Tensor, " _"], Int[Tensor, " _"]]:
    """Return what each ranked user knows, in the order of ``users``.

    Returns:
        (start, row, item): the user at place p of ``users`` knows
        ``item[start[p] : start[p + 1]]``, and ``row`` is p there.
    """
    user, order = known[0].sort()
    users = users.contiguous()
    begin = torch.searchsorted(user, users)
    count = torch.searchsorted(user, users, right=True) - begin
    end = count.cumsum(0)
    row = torch.arange(len(users), device=users.device).repeat_interleave(count)
    place = torch.arange(len(row), device=users.device)
    place += (begin - (end - count))[row]
    return [0, *end.tolist()], row, known[1][order[place]]


def _owned(scores: Tensor) -> Tensor:
    """Return scores that no one else reads, safe to overwrite.

    An expanded table (a popularity model) is not contiguous, unless it has one row.
    """
    return scores.clone() if scores.shape[0] == 1 else scores.contiguous()


def _top(
    scores: Float[Tensor, "rows items"],
    column: Int[Tensor, " _"] | None,
    k: int,
    n_id: Int[Tensor, " rows"],
) -> tuple[Int[Tensor, "rows {k}"], Float[Tensor, "rows {k}"], Bool[Tensor, " rows"]]:
    """Return items and scores of the exact top k, and which rows tie at the cut."""
    if column is not None:
        scores = scores.index_select(1, column)
    num_items = scores.shape[1]
    value, item = _largest(scores, min(k + 1, num_items), apart=scores.is_cuda)
    if value[:, :1].isnan().any():  # NaN comes before every number
        raise ValueError(
            f"rank: {int(scores.isnan().sum())} of {scores.numel()} scores of a block "
            "are NaN; where the losses were finite before, the embeddings have "
            "diverged: lower the learning rate or the loss weights; else the model "
            "divides by 0, or takes the logarithm of 0"
        )
    tied = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    # where all scores differ they are in order already
    rows = (value[:, 1:] == value[:, :-1]).any(1).nonzero().flatten()
    if len(rows):
        value[rows], item[rows], tied[rows] = _in_own_order(
            scores, rows, value[rows], item[rows], k, n_id[rows]
        )
    value, item = value[:, :k], item[:, :k]
    if column is not None:
        item = column[item]
    missing = (0, k - value.shape[1])
    value = torch.nn.functional.pad(value, missing, value=NEVER)
    item = torch.nn.functional.pad(item, missing, value=-1)
    return item.masked_fill(value == NEVER, -1), value, tied


def _in_own_order(
    scores: Float[Tensor, "all items"],
    rows: Int[Tensor, " rows"],
    value: Float[Tensor, "rows n"],
    item: Int[Tensor, "rows n"],
    k: int,
    n_id: Int[Tensor, " rows"],
) -> tuple[Float[Tensor, "rows n"], Int[Tensor, "rows n"], Bool[Tensor, " rows"]]:
    """Return the best of some rows in order, equal scores in that of each user.

    The first ``k`` are exact; the third value says where a tie goes across the cut.
    ``scores`` are those of all rows, so that only tied ones are copied.
    """
    num_items = scores.shape[1]
    first = first_items(n_id, num_items)[:, None]
    # from here on an item is its place in the user's own order
    value, place = _ordered(value, (item - first) % num_items)
    tied = torch.zeros_like(rows, dtype=torch.bool)
    if value.shape[1] > k:
        tied = (value[:, k - 1] == value[:, k]) & (value[:, k] > NEVER)
        if tied.any():
            place[tied, :k] = _first_of_tied(
                scores[rows[tied]], value[tied, :k], place[tied, :k], first[tied]
            )
    return value, (place + first) % num_items, tied


def _largest(
    scores: Float[Tensor, "rows items"], count: int, *, apart: bool
) -> tuple[Float[Tensor, "rows {count}"], Int[Tensor, "rows {count}"]]:
    """Return the ``count`` largest scores of each row and their columns.

    They lie in the ``count`` chunks with the largest maxima: were a larger score
    elsewhere, each of those chunks would hold one at least as large. So torch's
    top-k, which is slow on long rows, only sees short ones. Which of several
    equal scores at the cut are returned is arbitrary.

    Args:
        scores: Of every row.
        count: How many are returned.
        apart: Whether the columns of a chunk lie apart, the maximum of which CUDA
            finds faster, and not side by side.
    """
    chunks = scores.shape[1] // CHUNK
    if chunks < 4 * count:
        top = scores.topk(count)
        return top.values, top.indices
    body = scores[:, : chunks * CHUNK]
    if apart:
        body = body.unflatten(1, (CHUNK, chunks)).transpose(1, 2)
    else:
        body = body.unflatten(1, (chunks, CHUNK))
    best = body.amax(2).topk(count, sorted=False).indices
    row = torch.arange(len(scores), device=scores.device)[:, None]
    picked = torch.cat([body[row, best].flatten(1), scores[:, chunks * CHUNK :]], dim=1)
    top = picked.topk(count)
    # what no chunk holds stands behind those that were picked, as if it were the next
    best = torch.nn.functional.pad(best, (0, 1), value=chunks)
    chunk, lane = best.gather(1, top.indices // CHUNK), top.indices % CHUNK
    column = chunk * CHUNK + lane
    if apart:
        column = torch.where(chunk < chunks, lane * chunks + chunk, column)
    return top.values, column


def _ordered(
    value: Float[Tensor, "rows n"], place: Int[Tensor, "rows n"]
) -> tuple[Float[Tensor, "rows n"], Int[Tensor, "rows n"]]:
    """Return both, ordered by score descending, then by place ascending."""
    place, by_place = place.sort(dim=1)
    value, by_score = value.gather(1, by_place).sort(
        dim=1, descending=True, stable=True
    )
    return value, place.gather(1, by_score)


def _first_of_tied(
    scores: Float[Tensor, "tied items"],
    value: Float[Tensor, "tied k"],
    place: Int[Tensor, "tied k"],
    first: Int[Tensor, "tied 1"],
) -> Int[Tensor, "tied k"]:
    """Return the lists with the cut's score given to the first items that have it.

    Everything above the cut's score is already in ``place``, in order; what follows
    goes to the lowest places among the equals.
    """
    k, items = value.shape[1], scores.shape[1]
    index = torch.arange(items, device=scores.device, dtype=torch.int32)
    own = (index - first.int()).remainder_(items)
    equal = own.masked_fill_(scores != value[:, -1:], items)
    lowest = equal.topk(k, dim=1, largest=False).values.long()
    above = (value > value[:, -1:]).sum(dim=1, keepdim=True)
    column = torch.arange(k, device=scores.device)
    filled = lowest.gather(1, (column - above).clamp(min=0))
    return torch.where(column < above, place, filled)


def _join(
    name: str,
    domain: str | None,
    users: Int[Tensor, " rows"],
    parts: list[tuple[Tensor, Tensor, Tensor]],
) -> RankedLists:
    """Return one value of all blocks; warn where ties decided many lists."""
    item, score, tied = (torch.cat(column) for column in zip(*parts, strict=True))
    warn_of_ties(tied, candidates=name, domain=domain)
    return RankedLists(user=users, item=item, score=score)
