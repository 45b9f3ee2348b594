"""The interval of a mean over seeds, against scipy's and by hand."""

import numpy as np
import pytest
from scipy import stats

from micrec_pyg.report.interval import interval, interval_of


@pytest.mark.parametrize("values", [[0.1, 0.3], [0.2, 0.25, 0.4], [1.0, 1.0, 1.0, 2.0]])
def test_is_that_of_scipy(values: list[float]) -> None:
    found = interval(values)
    error = stats.sem(np.array(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.mean, found.sd) == pytest.approx(
        (np.mean(values), np.std(values, ddof=1))
    )


def test_by_hand() -> None:
    # Student's t of 2 degrees of freedom: 4.302653
    found = interval_of(0.5, 0.1, 3)
    assert found.high == pytest.approx(0.5 + 4.302653 * 0.1 / 3**0.5)
    assert found.text() == "[0.2516, 0.7484]"


def test_one_seed_has_none() -> None:
    found = interval([0.25])
    assert (found.sd, found.low, found.high, found.text()) == (None, None, None, "")
