"""``rank_groups``, its users divided among the processes of a run.

A list depends on the scores and its user alone, so all lists are those that one process
would make. Every process gets all of them, and metrics are computed from them once.
"""

from typing import Any

from jaxtyping import Int
from torch import Tensor

from micrec_pyg.evaluation import rank as undivided
from micrec_pyg.process_group import gathered, own_rows
from micrec_pyg.schema import RankedLists, Score


def rank_groups(
    score: Score,
    *,
    users: Int[Tensor, " rows"],
    n_id: Int[Tensor, " rows"],
    **options: Any,
) -> dict[str, RankedLists]:
    """Return the lists of all users; arguments as of the undivided function."""
    mine = own_rows(len(users))
    lists = undivided.rank_groups(score, users=users[mine], n_id=n_id[mine], **options)
    return {name: _of_all(each, users) for name, each in lists.items()}


def _of_all(lists: RankedLists, users: Int[Tensor, " rows"]) -> RankedLists:
    item, score = (gathered(each, len(users)) for each in (lists.item, lists.score))
    return RankedLists(user=users, item=item, score=score)
