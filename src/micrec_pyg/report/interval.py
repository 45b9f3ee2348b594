"""Mean, standard deviation and interval of one value per seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95

NOTE = (
    "In brackets: 95 % interval of the mean over seeds (Student's t). It says where "
    "the mean of many such seeds may lie; with few seeds it is wide."
)


@dataclass(frozen=True)
class Interval:
    """Where the mean over seeds lies."""

    mean: float
    sd: float | None
    """Sample standard deviation; None for one seed."""
    low: float | None
    high: float | None

    def text(self, digits: int = 4) -> str:
        """Return ``[0.1234, 0.2345]``; nothing for one seed."""
        if self.low is None:
            return ""
        return f"[{self.low:.{digits}f}, {self.high:.{digits}f}]"


def interval(values: Sequence[float]) -> Interval:
    """Return the interval of the mean of at least one value, one per seed."""
    sd = stdev(values) if len(values) > 1 else None
    return interval_of(fmean(values), sd, len(values))


def interval_of(mean: float, sd: float | None, seeds: int) -> Interval:
    """Return the interval of a mean.

    Args:
        mean: Over the seeds.
        sd: Sample standard deviation; None for one seed.
        seeds: How many.
    """
    if sd is None or seeds < 2:
        return Interval(mean, None, None, None)
    from scipy.stats import t

    half = float(t.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * sd / math.sqrt(seeds)
    return Interval(mean, sd, mean - half, mean + half)
