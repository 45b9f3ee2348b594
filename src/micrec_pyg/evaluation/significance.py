"""Paired tests, intervals and effect sizes over users; docs/statistics.md explains.

Everything here takes one difference per user. How a user's difference comes about
over several seeds is decided in ``report.pairs``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from micrec_pyg.schema import InputError

Differences = Float[np.ndarray, " users"]

Patterns = Float[np.ndarray, "patterns users"]
"""1 where the sign of a user's difference is turned, else 0."""

TESTS = ("wilcoxon", "permutation")
"""Names of the tests, the default first."""

DECIMALS = 12
"""Differences are rounded to these: averaging must not turn ties into order."""

EXACT_WITH_TIES = 13
"""Users, as in scipy; there are 8,192 patterns of their signs."""
BLOCK = 2**18
"""Resampled values that are in memory at once; more are slower, not faster."""


@dataclass(frozen=True, kw_only=True)
class TestOptions:
    """How differences are tested.

    Raises:
        InputError: A value is impossible.
    """

    __test__ = False  # not a pytest class

    test: str
    """One of ``TESTS``."""
    alpha: float
    """Level of the tests; intervals have the confidence 1 - alpha."""
    resamples: int
    """Of the bootstrap, and of the permutation test where it is not exact."""
    seed: int
    """Of both; each comparison starts from it, so none depends on another."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.test not in TESTS:
            raise InputError(f"test={self.test}: give one of {', '.join(TESTS)}")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha={self.alpha}: give a number between 0 and 1")
        if self.resamples < 1 or self.seed < 0:
            raise InputError(
                f"resamples={self.resamples}, seed={self.seed}: give at least 1 "
                "resample, and a seed of 0 or more"
            )


@dataclass(frozen=True)
class PairedTest:
    """What the differences of a number of users say."""

    users: int
    difference: float
    """Mean over users."""
    low: float | None
    """Ends of the bootstrap interval of the mean; None for a single user."""
    high: float | None
    p: float
    """Two-sided, not corrected."""
    cohen_d: float | None
    rank_biserial: float


def paired_test(differences: Differences, options: TestOptions) -> PairedTest:
    """Return test, interval and effect sizes of one difference per user.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    values = _checked(differences)
    low, high = bootstrap_interval(
        values,
        confidence=1 - options.alpha,
        resamples=options.resamples,
        seed=options.seed,
    )
    return PairedTest(
        users=len(values),
        difference=float(values.mean()),
        low=low,
        high=high,
        p=p_value(values, options),
        cohen_d=cohen_d(values),
        rank_biserial=rank_biserial(values),
    )


def p_value(differences: Differences, options: TestOptions) -> float:
    """Return the two-sided p value of the chosen test.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    if options.test == "wilcoxon":
        return wilcoxon(differences)
    return permutation(differences, resamples=options.resamples, seed=options.seed)


def wilcoxon(differences: Differences) -> float:
    """Return the p value of Wilcoxon's signed-rank test, 1 if nothing differs.

    Zeros are left out (Wilcoxon 1945), ties share their mean rank. Exact up to 50
    users, up to 13 with ties; beyond that the normal approximation, with its variance
    corrected for ties.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    from scipy import stats

    values = _checked(differences)
    values = values[values != 0]
    if not len(values):
        return 1.0
    size = np.abs(values)
    if len(values) <= EXACT_WITH_TIES and len(np.unique(size)) < len(values):
        # the same patterns as scipy's, which goes through them in a loop of Python
        ranks = np.copysign(stats.rankdata(size), values)
        return permutation(ranks, resamples=2**EXACT_WITH_TIES, seed=0)
    return float(stats.wilcoxon(values).pvalue)


def permutation(differences: Differences, *, resamples: int, seed: int) -> float:
    """Return the p value of the sign-flip test of the mean, 1 if nothing differs.

    Under the null hypothesis every user's difference has its sign by chance. p is the
    share of sign patterns whose mean is at least as far from 0 as the one observed.
    All patterns are tried where there are no more than ``resamples``; else that many
    are drawn, and the observed one counts as a further one (Phipson and Smyth 2010),
    so p is never 0. Users without a difference change nothing and cost nothing.

    Args:
        differences: One per user.
        resamples: Patterns to draw.
        seed: Of the draw.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    values = _checked(differences)
    values = values[values != 0]
    total = values.sum()
    # sums of the same values in another order differ in their last bits
    needed = abs(total) - 1e-12 * np.abs(values).sum()
    exact = 2 ** min(len(values), 62) <= resamples
    count = 2 ** len(values) if exact else resamples
    generator = np.random.default_rng(seed)
    size = max(1, BLOCK // max(1, len(values)))
    extreme = 0
    for start in range(0, count, size):
        rows = range(start, min(start + size, count))
        flipped = (
            _every_pattern(rows, len(values))
            if exact
            else _drawn_pattern(len(rows), len(values), generator)
        )
        sums = total - 2 * (flipped @ values)
        extreme += int((np.abs(sums) >= needed).sum())
    return extreme / count if exact else (extreme + 1) / (count + 1)


def _every_pattern(rows: range, users: int) -> Patterns:
    """Return the patterns of these numbers, read as binary digits."""
    numbers = np.arange(rows.start, rows.stop)[:, None]
    return (numbers >> np.arange(users) & 1).astype(np.float64)


def _drawn_pattern(rows: int, users: int, generator: np.random.Generator) -> Patterns:
    """Return random patterns; a bit per user, as there may be millions."""
    width = (users + 7) // 8
    drawn = np.frombuffer(generator.bytes(rows * width), np.uint8)
    bits = np.unpackbits(drawn.reshape(rows, width), axis=1, count=users)
    return bits.astype(np.float64)


def bootstrap_interval(
    differences: Differences, *, confidence: float, resamples: int, seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return the percentile bootstrap interval of the mean, over users.

    Args:
        differences: One per user; a single user has no interval.
        confidence: Between 0 and 1.
        resamples: Resampled means.
        seed: Of the draw.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    values = _checked(differences)
    if len(values) == 1:
        return None, None
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    # twice as fast as scipy's bootstrap: its indices have 64 bits
    for block in np.array_split(means, -(-resamples * len(values) // BLOCK)):
        shape = len(block), len(values)
        picked = generator.integers(len(values), size=shape, dtype=np.int32)
        block[:] = values.take(picked).mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def cohen_d(differences: Differences) -> float | None:
    """Return d_z: the mean over the sample standard deviation of the differences.

    0 if nothing differs; None where it is not defined: for a single user, and where
    all users differ by the same amount.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    values = _checked(differences)
    if not values.any():
        return 0.0
    if (values == values[0]).all():
        return None
    return float(values.mean() / values.std(ddof=1))


def rank_biserial(differences: Differences) -> float:
    """Return the matched-pairs rank-biserial correlation, in [-1, 1].

    The rank sum of the positive differences minus that of the negative ones, over
    their total (Kerby 2014). Zeros are left out as in Wilcoxon's test; 0 if nothing
    differs.

    Raises:
        InputError: There is no user, or a difference is not finite.
    """
    from scipy import stats

    values = _checked(differences)
    values = values[values != 0]
    if not len(values):
        return 0.0
    ranks = stats.rankdata(np.abs(values))
    return float((ranks * np.sign(values)).sum() / ranks.sum())


def holm(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Return p values corrected for being a family (Holm 1979), in the given order.

    The i-th smallest of m is multiplied by m - i + 1; none becomes smaller than one
    before it, or larger than 1.

    Raises:
        ValueError: A p value is not in [0, 1].
    """
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values lie in [0, 1], given were {p}")
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(p[order] * factors).clip(max=1)
    return corrected


def _checked(differences: Differences) -> Differences:
    """Return the differences, rounded; refuse none at all and those without value."""
    broken = int((~np.isfinite(differences)).sum())
    if broken:
        raise InputError(
            f"{broken} of {len(differences)} differences are not finite; a metric that "
            "is undefined for a user must be left out for both models"
        )
    if not len(differences):
        raise InputError("there is no user to compare; give at least one")
    return np.round(differences, DECIMALS)
