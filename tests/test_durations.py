import pytest

from micrec_pyg.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 s"), (99.4, "99 s"), (100, "2 min"), (5969, "99 min")),
        *((5971, "1.7 h"), (35999, "10 h"), (360000, "100 h")),
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds, text) -> None:
    assert duration(seconds) == text
