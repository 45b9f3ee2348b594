"""Whether scores say anything: of the items, and of the person.

Both are asked of every list, so a few items are looked at first: there nearly all
rows differ already.
"""

from jaxtyping import Bool, Float
from torch import Tensor

FIRST = 64
"""Items that are looked at first."""
ROUNDING = 1e-5
"""Of the largest score: two vectors that are equal but for rounding differ by less."""

Scores = Float[Tensor, "people items"]


def tells_items_apart(scores: Scores) -> Bool[Tensor, " people"]:
    """Return whose scores are not the same for all items."""
    return _differ(scores, scores[:, :1], 0.0)


def unlike_nobody(
    scores: Scores, nobody: Float[Tensor, " items"]
) -> Bool[Tensor, " people"]:
    """Return whose scores are not those of a person without any history.

    Args:
        scores: Of people.
        nobody: What that person gets.
    """
    return _differ(scores, nobody, ROUNDING * float(nobody.abs().max()))


def _differ(scores: Scores, other: Tensor, tolerance: float) -> Bool[Tensor, " people"]:
    other = other.expand_as(scores)
    first = scores[:, :FIRST] - other[:, :FIRST]
    found = (first.abs() > tolerance).any(1)
    same = (~found).nonzero().flatten()
    if len(same):
        found[same] = ((scores[same] - other[same]).abs() > tolerance).any(1)
    return found
