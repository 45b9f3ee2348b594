"""The mean over domains, which selects, and stands beside the results of each.

One rule for all of them: a mean is over every domain. Where a domain lacks a value
there is none, since a mean over the others would be of other data. (Training, which
knows no run, selects by the same rule.)
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

AVERAGE = "average"
"""Stands in the place of a domain."""


def average(values: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean over domains of every metric that all of them have.

    Args:
        values: Of each domain, by metric; counts, whose names have no cut-off, are left
            out.
    """
    return {
        name: fmean(float(each[name]) for each in values)
        for name in (values[0] if values else {})
        if "@" in name and all(each.get(name) is not None for each in values)
    }


def averages(
    by_domain: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, dict[str, float]]:
    """Return the mean over domains of every group that all of them have.

    Args:
        by_domain: Values by domain, group and metric.
    """
    every = list(by_domain.values())
    return {
        group: average([groups[group] for groups in every])
        for group in (every[0] if every else {})
        if all(group in groups for groups in every)
    }
