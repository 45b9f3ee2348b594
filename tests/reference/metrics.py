"""Naive loops over users and items: oracles of ranking and its metrics."""

import math

import numpy as np


def ranked(
    scores: np.ndarray, known: set[int], k: int, candidates: set[int] | None = None
) -> list[int]:
    """Return one user's list: score descending, then item ascending; no pads."""
    allowed = [
        item
        for item in range(len(scores))
        if item not in known and (candidates is None or item in candidates)
    ]
    return sorted(allowed, key=lambda item: (-scores[item], item))[:k]


def values(items: list[int], truth: set[int], k: int) -> dict[str, float]:
    """Return every metric of one user's list at k."""
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
