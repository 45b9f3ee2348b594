"""Paired tests by loops over every sign pattern: oracles for few users."""

import itertools
import math
import statistics


def ranks(values: list[float]) -> list[float]:
    """Return the rank of each absolute value, ties at their mean rank."""
    sizes = [abs(value) for value in values]
    found = []
    for size in sizes:
        below = sum(other < size for other in sizes)
        equal = sum(other == size for other in sizes)
        found.append(below + (equal + 1) / 2)
    return found


def _share(signed: list[float]) -> float:
    """Return the share of sign patterns at least as extreme as the one given."""
    observed = abs(sum(signed))
    patterns = list(itertools.product((1, -1), repeat=len(signed)))
    extreme = 0
    for pattern in patterns:
        total = sum(sign * value for sign, value in zip(pattern, signed, strict=True))
        extreme += abs(total) >= observed - 1e-9
    return extreme / len(patterns)


def wilcoxon(differences: list[float]) -> float:
    """Return the exact two-sided p value, zeros left out."""
    values = [value for value in differences if value != 0]
    signed = [math.copysign(r, v) for r, v in zip(ranks(values), values, strict=True)]
    return _share(signed)


def permutation(differences: list[float]) -> float:
    """Return the exact two-sided p value of the sign-flip test of the mean."""
    return _share(differences)


def rank_biserial(differences: list[float]) -> float:
    """Return (rank sum above 0 - rank sum below 0) / rank sum, zeros left out."""
    values = [value for value in differences if value != 0]
    above = below = 0.0
    for rank, value in zip(ranks(values), values, strict=True):
        if value > 0:
            above += rank
        else:
            below += rank
    return (above - below) / (above + below)


def holm(p: list[float]) -> list[float]:
    """Return the smallest level at which each hypothesis would be rejected."""
    found = [0.0] * len(p)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        found[index] = largest
    return found


def resampled_means(differences: list[float]) -> list[float]:
    """Return the mean of every possible bootstrap sample, in order."""
    samples = itertools.product(differences, repeat=len(differences))
    return sorted(statistics.fmean(sample) for sample in samples)
