"""A positive ranked among other items, by loops over pairs, items and places."""

from collections.abc import Sequence
from math import log2
from statistics import fmean

Standing = tuple[int, int, int]
"""Items above the positive, items equal to it, and all items it is ranked with."""


def standing(positive: float, others: Sequence[float]) -> Standing:
    """Return how a score stands among others."""
    above = sum(1 for score in others if score > positive)
    equal = sum(1 for score in others if score == positive)
    return above, equal, len(others)


def gains(rank: int, k: int) -> dict[str, float]:
    """Return what a positive at a rank is worth."""
    hit = float(rank <= k)
    return {f"hit@{k}": hit, f"ndcg@{k}": hit / log2(rank + 1), "mrr": 1 / rank}


def mean_gains(found: Sequence[Standing], k: int) -> dict[tuple[str, str], float]:
    """Return by rule and metric the mean over pairs.

    Under ``expected`` the positive stands once at every place among its equals.
    """
    values: dict[tuple[str, str], list[float]] = {}
    for above, equal, _ in found:
        places = range(above + 1, above + equal + 2)
        by_rule = {
            "for the positive": places[:1],
            "expected": places,
            "against": places[-1:],
        }
        for rule, possible in by_rule.items():
            for name in gains(1, k):
                mean = fmean(gains(rank, k)[name] for rank in possible)
                values.setdefault((rule, name), []).append(mean)
    return {key: fmean(each) for key, each in values.items()}
