"""Pairing worked out by hand, and what must not be paired."""

from pathlib import Path
from typing import Any

import pytest
from reference.runs import write_run

from micrec_pyg.report.pairs import Pairs, check_results, common_seeds, metrics_in, pair
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import InputError

METRIC = "recall@20"


def _run(tmp_path: Path, name: str, values: list[float | None], **options: Any) -> Run:
    content = {"a": {"all": {METRIC: values}}}
    return read_run(write_run(tmp_path / name, content, **options))


def _pair(reference: dict[int, Run], other: dict[int, Run], **options: Any) -> Pairs:
    question = {"part": "test", "domain": "a", "group": "all", **options}
    seeds = common_seeds(reference, other)
    return pair(reference, other, seeds=seeds, metrics=[METRIC], **question)[METRIC]


def test_a_user_counts_once_with_the_mean_over_seeds(tmp_path: Path) -> None:
    # u2 has held-out items under seed 1 alone, u0 under seed 0 alone
    base = {
        0: _run(tmp_path, "a0", [0.1, 0.2], users=["u0", "u1"]),
        1: _run(tmp_path, "a1", [0.3, 0.4], users=["u2", "u1"], seed=1),
    }
    # the same users in another order
    other = {
        0: _run(tmp_path, "b0", [0.5, 0.4], users=["u1", "u0"]),
        1: _run(tmp_path, "b1", [0.3, 0.3], users=["u1", "u2"], seed=1),
        2: _run(tmp_path, "b2", [1.0, 1.0], users=["u1", "u2"], seed=2),
    }
    found = _pair(base, other)
    # u0: 0.4 - 0.1; u1: mean of 0.5 - 0.2 and 0.3 - 0.4; u2: 0.3 - 0.3
    assert found.difference.tolist() == pytest.approx([0.3, 0.1, 0.0])
    assert found.reference == pytest.approx((0.1 + (0.2 + 0.4) / 2 + 0.3) / 3)
    assert found.other == pytest.approx((0.4 + (0.5 + 0.3) / 2 + 0.3) / 3)
    assert found.other - found.reference == pytest.approx(found.difference.mean())
    # seed 0: (0.3 + 0.3) / 2; seed 1: (-0.1 + 0) / 2
    assert found.by_seed == pytest.approx({0: 0.3, 1: -0.05})
    assert found.undefined == 0


def test_a_user_without_a_defined_value_is_left_out_and_counted(tmp_path: Path) -> None:
    base = {0: _run(tmp_path, "a", [0.1, None, 0.3, 0.5])}
    other = {0: _run(tmp_path, "b", [0.2, 0.2, float("nan"), 0.5])}
    found = _pair(base, other)
    assert found.difference.tolist() == pytest.approx([0.1, 0.0])
    assert found.undefined == 2


def test_other_users_are_refused(tmp_path: Path) -> None:
    base = {0: _run(tmp_path, "a", [0.1, 0.2, 0.3])}
    other = {0: _run(tmp_path, "b", [0.1, 0.2], users=["u0", "x"])}
    said = r"2 users were ranked in .*a alone and 1 in .*b alone \(such as 'u1'\)"
    with pytest.raises(InputError, match=said):
        _pair(base, other)


def test_a_group_that_one_of_them_cannot_answer_has_no_pairs(tmp_path: Path) -> None:
    both = {"all": {METRIC: [0.1]}, "new_user": {METRIC: [0.2]}}
    base = {0: read_run(write_run(tmp_path / "a", {"a": both}))}
    other = {0: _run(tmp_path, "b", [0.1])}
    question = {"part": "test", "domain": "a", "metrics": [METRIC], "seeds": [0]}
    for pairing in ((base, other), (other, base)):
        assert pair(*pairing, group="new_user", **question) == {}
    assert pair(base, base, group="nobody", **question) == {}


def test_a_seed_in_which_nobody_is_of_the_group_is_skipped(tmp_path: Path) -> None:
    groups = [{"all": {METRIC: [0.1]}}, {"all": {METRIC: [0.1]}, "x": {METRIC: [0.5]}}]
    base, other = (
        {
            seed: read_run(write_run(tmp_path / f"{name}{seed}", {"a": groups[seed]}))
            for seed in (0, 1)
        }
        for name in "ab"
    )
    assert _pair(base, other, group="x").by_seed == {1: 0.0}


def test_the_overlapping_users_may_be_those_of_the_other_run(tmp_path: Path) -> None:
    alone = {0: _run(tmp_path, "a", [0.1, 0.2, 0.3])}
    joint = {0: _run(tmp_path, "b", [0.5, 0.5, 0.5], shared=["u0", "u2"])}
    for group, expected in (
        ("overlap_user", [0.4, 0.2]),
        ("single_domain_user", [0.3]),
        ("all", [0.4, 0.3, 0.2]),
    ):
        found = _pair(alone, joint, group=group, overlap_of_other=True)
        assert found.difference.tolist() == pytest.approx(expected)


def test_common_seeds(tmp_path: Path) -> None:
    run = _run(tmp_path, "a", [0.1])
    assert common_seeds({2: run, 0: run, 1: run}, {3: run, 1: run, 2: run}) == [1, 2]
    with pytest.raises(InputError, match=r"has the seeds \[0\], .* has \[1\]"):
        common_seeds({0: run}, {1: run})


def test_results_that_are_not_there_are_refused(tmp_path: Path) -> None:
    run = _run(tmp_path, "a b", [0.1], part="val")
    check_results(run, "val", [METRIC])
    assert metrics_in(run) == [METRIC]
    with pytest.raises(InputError, match=r"no test results.*micrec evaluate '.*a b'$"):
        check_results(run, "test", [METRIC])
    with pytest.raises(InputError, match=r"no metric ndcg@5 per user; valid: recall@2"):
        check_results(run, "val", ["ndcg@5"])
    (Path(run.path) / "per_user.parquet").unlink()
    with pytest.raises(InputError, match=r"per_user\.parquet cannot be read"):
        check_results(run, "val", [METRIC])
