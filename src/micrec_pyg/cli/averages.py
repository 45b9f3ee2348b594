"""The mean over domains, which stands beside the results of each."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

AVERAGE = "average"
"""Stands in the place of a domain."""


def average(values: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the mean over domains of every metric that all of them have."""
    return {
        name: fmean(each[name] for each in values)
        for name in values[0]
        if "@" in name and all(each.get(name) is not None for each in values)
    }
