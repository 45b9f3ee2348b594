"""The mean over domains: of what every one of them has."""

import pytest

from micrec_pyg.runs.averages import average, averages


def test_a_value_that_a_domain_lacks_has_no_mean() -> None:
    found = average(
        [
            {"ndcg@20": 0.1, "recall@20": 0.2, "hit@20": 1.0, "users": 3},
            {"ndcg@20": 0.3, "recall@20": None, "users": 5},
        ]
    )
    assert found == {"ndcg@20": pytest.approx(0.2)}
    assert average([]) == {}


def test_a_group_that_a_domain_lacks_has_no_mean() -> None:
    one, other = {"ndcg@20": 0.1}, {"ndcg@20": 0.2}
    by_domain = {"A": {"all": one, "new_user": one}, "B": {"all": other}}
    assert averages(by_domain) == {"all": {"ndcg@20": pytest.approx(0.15)}}
    assert averages({}) == {}
