"""Joint minus single-domain, on run folders written by hand."""

import logging
from pathlib import Path
from typing import Any

import pytest
from reference.runs import write_run

from micrec_pyg.evaluation.significance import TestOptions
from micrec_pyg.report.compare import Question
from micrec_pyg.report.negative_transfer import GROUPS, measure_transfer
from micrec_pyg.schema import InputError

OPTIONS = TestOptions(test="permutation", alpha=0.05, resamples=200, seed=0)
QUESTION = Question(part="test", groups=GROUPS, metrics=["recall@20"])
ALONE = {"a": [0.1, 0.2, 0.3], "b": [0.5, 0.5, 0.5]}
JOINT = {"a": [0.3, 0.1, 0.3], "b": [0.4, 0.4, 0.5]}


def _run(
    tmp_path: Path, name: str, values: dict[str, list[float]], **options: Any
) -> str:
    content = {d: {"all": {"recall@20": v}} for d, v in values.items()}
    return str(write_run(tmp_path / name, content, **options))


def _joint(tmp_path: Path, **options: Any) -> str:
    return _run(tmp_path, "joint", JOINT, **{"shared": ["u0"], **options})


def _single(tmp_path: Path, domain: str, **options: Any) -> str:
    return _run(tmp_path, f"only {domain}", {domain: ALONE[domain]}, **options)


def test_joint_minus_single_per_domain_and_group(tmp_path: Path) -> None:
    single = [_single(tmp_path, "a"), _single(tmp_path, "b")]
    table = measure_transfer([_joint(tmp_path)], single, QUESTION, OPTIONS)
    found = {
        (c.domain, c.group): (c.result.users, c.result.difference)
        for c in table
        if c.result
    }
    assert found == {
        ("a", "all"): (3, pytest.approx((0.2 - 0.1 + 0) / 3)),
        ("a", "overlap_user"): (1, pytest.approx(0.2)),
        ("a", "single_domain_user"): (2, pytest.approx(-0.1 / 2)),
        ("b", "all"): (3, pytest.approx(-0.2 / 3)),
        ("b", "overlap_user"): (1, pytest.approx(-0.1)),
        ("b", "single_domain_user"): (2, pytest.approx(-0.1 / 2)),
    }
    assert {c.model for c in table} == {"ours"}
    assert {c.reference for c in table} == {"ours on a alone", "ours on b alone"}


def test_a_domain_without_its_own_run_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        table = measure_transfer(
            [_joint(tmp_path)], [_single(tmp_path, "b")], QUESTION, OPTIONS
        )
    assert {cell.domain for cell in table} == {"b"}
    assert "no single-domain run on a, left out" in caplog.text


def test_another_setting_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    single = _single(tmp_path, "a", config={"fit": {"lr": 0.1}})
    with caplog.at_level(logging.WARNING):
        measure_transfer([_joint(tmp_path)], [single], QUESTION, OPTIONS)
    assert "differ in fit.lr: their difference is not one of transfer only" in (
        caplog.text
    )


def test_the_setting_of_the_joint_run_is_found_among_several(tmp_path: Path) -> None:
    for k in (0, 3):
        _run(tmp_path, f"joint/{k}", JOINT, config={"K": k}, shared=["u0"])
        _run(tmp_path, f"single/{k}", {"a": [k, k, k]}, config={"K": k})
    _run(tmp_path, "single/mf", {"a": [9, 9, 9]}, model="mf")
    table = measure_transfer(
        [str(tmp_path / "joint")], [str(tmp_path / "single")], QUESTION, OPTIONS
    )
    pairs = {(c.model, c.reference, c.pairs.reference) for c in table if c.pairs}
    assert pairs == {
        ("ours K=0", "ours K=0 on a alone", 0),
        ("ours K=3", "ours K=3 on a alone", 3),
    }


def test_no_counterpart_or_several_are_refused(tmp_path: Path) -> None:
    other = _single(tmp_path, "a", model="mf")
    with pytest.raises(InputError, match="needs one single-domain counterpart on a"):
        measure_transfer([_joint(tmp_path)], [other], QUESTION, OPTIONS)
    for k in (1, 2):
        _run(tmp_path, f"single/{k}", {"a": ALONE["a"]}, config={"K": k})
    with pytest.raises(InputError, match="given are: ours K=1; ours K=2"):
        measure_transfer(
            [str(tmp_path / "joint")], [str(tmp_path / "single")], QUESTION, OPTIONS
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"digests": {"a": "x"}}, "domain a: the data of"),
        ({"split": "x"}, "looks at all domains"),
        ({"users": ["u0", "u1", "x"]}, "ranked in"),
        ({"part": "val"}, "no test results"),
        ({"seed": 1}, r"has the seeds \[1\]"),
    ],
)
def test_other_tasks_are_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    single = _single(tmp_path, "a", **options)
    with pytest.raises(InputError, match=said):
        measure_transfer([_joint(tmp_path)], [single], QUESTION, OPTIONS)


def test_joint_and_single_must_be_what_they_are_called(tmp_path: Path) -> None:
    joint, single = _joint(tmp_path), _single(tmp_path, "a")
    with pytest.raises(InputError, match="is on one domain; --transfer takes joint"):
        measure_transfer([single], [single], QUESTION, OPTIONS)
    with pytest.raises(InputError, match="is on a, b; --single takes runs on one"):
        measure_transfer([joint], [joint], QUESTION, OPTIONS)
    other = _run(tmp_path, "only c", {"c": [0.1, 0.1, 0.1]})
    with pytest.raises(InputError, match="the single-domain runs are on c"):
        measure_transfer([joint], [other], QUESTION, OPTIONS)


def test_a_joint_run_without_overlapping_users(tmp_path: Path) -> None:
    joint = _joint(tmp_path, shared=[])
    table = measure_transfer([joint], [_single(tmp_path, "a")], QUESTION, OPTIONS)
    assert [cell.result is None for cell in table] == [False, True, False]
