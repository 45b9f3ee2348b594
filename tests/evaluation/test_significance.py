"""Tests and intervals against enumeration, scipy and values worked out by hand."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import significance as naive
from scipy import stats

from micrec_pyg.evaluation.significance import (
    TestOptions,
    bootstrap_interval,
    cohen_d,
    holm,
    paired_test,
    permutation,
    rank_biserial,
    wilcoxon,
)
from micrec_pyg.schema import InputError

OPTIONS = TestOptions(test="wilcoxon", alpha=0.05, resamples=500, seed=0)

# tenths, so that ties and zeros are common as among recall values
few = st.lists(st.integers(-5, 5).map(lambda n: n / 10), min_size=1, max_size=9)


def _array(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@settings(max_examples=60, deadline=None)
@given(few)
def test_both_tests_and_the_effect_are_those_of_the_loops(values: list[float]) -> None:
    d = _array(values)
    assert permutation(d, resamples=512, seed=0) == pytest.approx(
        naive.permutation(values)
    )
    if any(values):
        assert wilcoxon(d) == pytest.approx(naive.wilcoxon(values))
        assert rank_biserial(d) == pytest.approx(naive.rank_biserial(values))


@pytest.mark.parametrize("users", [2, 9, 13, 14])
def test_wilcoxon_with_ties_is_that_of_scipy(users: int) -> None:
    rng = np.random.default_rng(users)
    for _ in range(3):
        d = np.append(rng.integers(-4, 6, users - 2), [2, -2]) / 10
        d[d == 0] = 0.1
        assert wilcoxon(d) == pytest.approx(stats.wilcoxon(d).pvalue)


def test_wilcoxon_by_hand() -> None:
    # the negative one has rank 3; of the 256 patterns 5 have a rank sum of 3 or less
    # on one side: {}, {1}, {2}, {3}, {1, 2}
    d = _array([0.1, 0.2, -0.35, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert wilcoxon(d) == pytest.approx(10 / 256)
    # ranks above 0: 36 - 3
    assert rank_biserial(d) == pytest.approx((33 - 3) / 36)


def test_wilcoxon_of_many_users_is_the_normal_approximation() -> None:
    rng = np.random.default_rng(0)
    d = np.round(rng.normal(0.02, 0.2, 400), 1)
    used = d[d != 0]
    n = len(used)
    ranked = stats.rankdata(abs(used))
    smaller = min(ranked[used > 0].sum(), ranked[used < 0].sum())
    _, ties = np.unique(abs(used), return_counts=True)
    variance = n * (n + 1) * (2 * n + 1) / 24 - (ties**3 - ties).sum() / 48
    z = (smaller - n * (n + 1) / 4) / math.sqrt(variance)
    assert wilcoxon(d) == pytest.approx(2 * stats.norm.cdf(z))


def test_permutation_of_drawn_patterns_comes_close_to_all_of_them() -> None:
    rng = np.random.default_rng(1)
    d = rng.normal(0.3, 1, 14)
    exact = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=2**14
    ).pvalue
    assert permutation(d, resamples=2**14, seed=0) == pytest.approx(exact)
    drawn = permutation(d, resamples=2**14 - 1, seed=0)
    assert drawn != exact
    # 5 standard deviations of a share of 16,383 draws
    assert abs(drawn - exact) < 5 * math.sqrt(exact * (1 - exact) / 2**14)


def test_the_smallest_p_value_is_one_pattern_of_those_drawn() -> None:
    d = np.full(60, 0.5)
    assert permutation(d, resamples=99, seed=0) == pytest.approx(1 / 100)


def test_drawn_results_follow_the_seed() -> None:
    d = np.random.default_rng(2).normal(0.1, 1, 50)
    one, again, other = (permutation(d, resamples=999, seed=s) for s in (0, 0, 1))
    assert one == again != other
    ends = [
        bootstrap_interval(d, confidence=0.9, resamples=99, seed=s) for s in (0, 0, 1)
    ]
    assert ends[0] == ends[1] != ends[2]


def test_the_bootstrap_has_the_quantiles_of_all_samples() -> None:
    values = [-0.2, 0.0, 0.1, 0.5, 0.6]
    every = naive.resampled_means(values)
    assert len(every) == 5**5
    low, high = bootstrap_interval(
        _array(values), confidence=0.9, resamples=40_000, seed=0
    )
    # of 40,000 draws the share below an end is off by less than 0.006 (5 sd), so the
    # end lies between the exact quantiles that far apart
    for end, share in ((low, 0.05), (high, 0.95)):
        below, above = np.quantile(every, [share - 0.006, share + 0.006])
        assert below - 1e-12 <= end <= above + 1e-12
        assert above - below < 0.03


def test_memory_does_not_grow_with_users_times_resamples() -> None:
    d = np.random.default_rng(0).normal(size=20_000)
    tracemalloc.start()
    permutation(d, resamples=1500, seed=0)
    bootstrap_interval(d, confidence=0.95, resamples=1500, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # all at once would be 240 MB for every array of 8-byte values
    assert peak < 50e6


def test_cohen_d_by_hand() -> None:
    # mean 0.2; deviations -0.1, 0.1, 0: variance 0.02 / 2
    assert cohen_d(_array([0.1, 0.3, 0.2])) == pytest.approx(0.2 / 0.1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_the_loop(p: list[float]) -> None:
    assert holm(_array(p)).tolist() == pytest.approx(naive.holm(p))


def test_holm_by_hand() -> None:
    # in order 0.01 * 4, 0.02 * 3, 0.03 * 2 (not below the one before), 0.5
    corrected = holm(_array([0.03, 0.01, 0.5, 0.02]))
    assert corrected.tolist() == pytest.approx([0.06, 0.04, 0.5, 0.06])
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        holm(_array([0.5, math.nan]))


def test_all_together() -> None:
    d = _array([0.5, 0.25, 0.0, -0.25, 1.0, 0.75])
    found = paired_test(d, OPTIONS)
    assert (found.users, found.difference) == (6, pytest.approx(2.25 / 6))
    assert found.p == pytest.approx(naive.wilcoxon(d.tolist()))
    assert (found.low, found.high) == bootstrap_interval(
        d, confidence=0.95, resamples=500, seed=0
    )
    other = TestOptions(test="permutation", alpha=0.1, resamples=500, seed=0)
    found = paired_test(d, other)
    assert found.p == pytest.approx(naive.permutation(d.tolist()))
    assert found.low == bootstrap_interval(d, confidence=0.9, resamples=500, seed=0)[0]


@pytest.mark.parametrize("test", ["wilcoxon", "permutation"])
def test_nothing_differs(test: str) -> None:
    options = TestOptions(test=test, alpha=0.05, resamples=100, seed=0)
    found = paired_test(np.zeros(30), options)
    assert (found.p, found.difference, found.low, found.high) == (1, 0, 0, 0)
    assert (found.cohen_d, found.rank_biserial) == (0, 0)


@pytest.mark.parametrize("test", ["wilcoxon", "permutation"])
def test_one_user_proves_nothing(test: str) -> None:
    options = TestOptions(test=test, alpha=0.05, resamples=100, seed=0)
    found = paired_test(_array([0.5]), options)
    assert (found.users, found.p, found.difference) == (1, 1, 0.5)
    assert (found.low, found.high, found.cohen_d) == (None, None, None)
    assert found.rank_biserial == 1


def test_the_same_gain_for_everybody_has_no_cohen_d() -> None:
    found = paired_test(np.full(20, 0.1), OPTIONS)
    assert found.cohen_d is None
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_rounding_noise_is_no_difference() -> None:
    noise = _array([0.1 + 0.2 - 0.3, -1e-16, 0.0])
    assert noise[0] != 0
    assert paired_test(noise, OPTIONS).p == 1
    assert rank_biserial(noise) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="1 of 3 differences are not finite"):
        paired_test(_array([0.1, bad, 0.2]), OPTIONS)


def test_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="no user"):
        paired_test(_array([]), OPTIONS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"test": "t"}, "test=t: give one of wilcoxon, permutation"),
        ({"alpha": 1.0}, "alpha=1.0"),
        ({"resamples": 0}, "resamples=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_options_are_refused(wrong: dict, said: str) -> None:
    good = {"test": "wilcoxon", "alpha": 0.05, "resamples": 10, "seed": 0}
    with pytest.raises(InputError, match=said):
        TestOptions(**{**good, **wrong})
