"""Naive loops over users and items: oracles of ranking and its metrics."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np


def ranked(
    scores: np.ndarray,
    known: set[int],
    k: int,
    candidates: set[int] | None = None,
    *,
    user: int,
) -> list[int]:
    """Return one user's list, no pads: score descending, then the user's own order.

    That order is the candidates' by index, cut at a share of them that the user
    decides, and the two parts exchanged.
    """
    pool = [i for i in range(len(scores)) if candidates is None or i in candidates]
    share = Fraction(user * 2654435769 % 2**32, 2**32)
    cut = math.floor(share * len(pool))
    own = pool[cut:] + pool[:cut]
    return sorted((i for i in own if i not in known), key=lambda i: -scores[i])[:k]


def values(items: list[int], truth: set[int], k: int) -> dict[str, float]:
    """Return every accuracy metric of one user's list at k."""
    hits = 0
    dcg = 0.0
    first = 0.0
    precisions = 0.0
    for place, item in enumerate(items[:k], start=1):
        if item in truth:
            hits += 1
            dcg += 1 / math.log2(place + 1)
            precisions += hits / place
            first = first or 1 / place
    best = min(len(truth), k)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, best + 1))
    return {
        f"recall@{k}": hits / len(truth),
        f"precision@{k}": hits / k,
        f"ndcg@{k}": dcg / ideal,
        f"hit@{k}": float(hits > 0),
        f"mrr@{k}": first,
        f"map@{k}": precisions / best,
    }


def list_values(
    items: list[int],
    popularity: Sequence[int],
    num_users: int,
    vectors: Mapping[str, Mapping[int, np.ndarray]],
    k: int,
) -> dict[str, float | None]:
    """Return what one list is like at k; None where that is undefined.

    ``vectors`` are those of the items that have one, by modality.
    """
    listed = [item for item in items[:k] if item >= 0]
    surprise = [math.log2(num_users + 1) - math.log2(popularity[i] + 1) for i in listed]
    found = {
        f"novelty@{k}": _mean(surprise),
        f"average_popularity@{k}": _mean([popularity[i] for i in listed]),
    }
    for name, known in vectors.items():
        have = [known[i] for i in listed if i in known]
        distances = [
            1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
            for place, a in enumerate(have)
            for b in have[place + 1 :]
        ]
        found[f"diversity_{name}@{k}"] = _mean(distances)
    return found


def catalogue_values(
    lists: list[list[int]], candidates: set[int], k: int
) -> dict[str, float]:
    """Return what all lists together are like at k; what is undefined is left out."""
    cut = [[item for item in items[:k] if item >= 0] for items in lists]
    cut = [items for items in cut if items]
    count = {item: sum(item in items for items in cut) for item in candidates}
    found = {f"coverage@{k}": sum(n > 0 for n in count.values()) / len(candidates)}
    total = sum(count.values())
    if total:
        # half the relative mean absolute difference: not the sorted form
        differences = [abs(a - b) for a in count.values() for b in count.values()]
        found[f"gini@{k}"] = sum(differences) / (2 * len(candidates) * total)
        shares = [n / total for n in count.values() if n]
        found[f"entropy@{k}"] = -sum(share * math.log2(share) for share in shares)
    pairs = [
        1 - len(set(a) & set(b)) / math.sqrt(len(a) * len(b))
        for place, a in enumerate(cut)
        for b in cut[place + 1 :]
    ]
    if pairs:
        found[f"personalisation@{k}"] = sum(pairs) / len(pairs)
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
