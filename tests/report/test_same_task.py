"""Runs that answer the same questions, and every way not to."""

from pathlib import Path
from typing import Any

import pytest
from reference.runs import write_run

from micrec_pyg.report.same_task import (
    check_same_domains,
    check_same_task,
    digests_of,
)
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import InputError

VALUES = {"a": {"all": {"recall@20": [0.5]}}, "b": {"all": {"recall@20": [0.5]}}}


def _run(tmp_path: Path, name: str, **options: Any) -> Run:
    return read_run(write_run(tmp_path / name, VALUES, **options))


def test_models_and_their_settings_may_differ(tmp_path: Path) -> None:
    one = _run(tmp_path, "one")
    two = _run(tmp_path, "two", model="other", config={"K": 0, "gamma": 2})
    check_same_task(one, two, ["a", "b"])
    check_same_domains(one, two)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"digests": {"b": "x"}}, "domain b: the data of"),
        ({"seed": 1}, r"random ratios=\[7, 1, 2\] seed=0 and .* seed=1"),
        ({"split": "x"}, "domain a: .* have different splits"),
        ({"items": ["i0", "i1", "i2"]}, "domain a: .* have different items"),
    ],
)
def test_other_tasks_are_refused(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    one, two = _run(tmp_path, "one"), _run(tmp_path, "two", **options)
    with pytest.raises(InputError, match=said):
        check_same_task(one, two, ["a", "b"])


def test_domains_that_are_not_asked_for_do_not_matter(tmp_path: Path) -> None:
    one = _run(tmp_path, "one")
    check_same_task(one, _run(tmp_path, "two", digests={"b": "x"}), ["a"])


def test_the_content_of_a_split_counts_not_its_name(tmp_path: Path) -> None:
    one = _run(tmp_path, "one")
    saved = {"split": {"_target_": "load_split", "path": "one"}}
    check_same_task(one, _run(tmp_path, "two", config=saved), ["a", "b"])


def test_other_encoders_are_allowed_on_the_same_interactions(tmp_path: Path) -> None:
    one = _run(tmp_path, "one")
    noise = {"digests": {"a": "x"}, "config": {"features": {"text": "noise"}}}
    check_same_task(one, _run(tmp_path, "two", **noise), ["a"])
    with pytest.raises(InputError, match="have different splits"):
        check_same_task(one, _run(tmp_path, "three", split="x", **noise), ["a"])


def test_other_domains_are_refused_with_a_hint(tmp_path: Path) -> None:
    one = _run(tmp_path, "one")
    alone = read_run(write_run(tmp_path / "alone", {"a": VALUES["a"]}))
    with pytest.raises(InputError, match=r"on the domains a, b, .* on a; .*--transfer"):
        check_same_domains(one, alone)


def test_broken_runs_are_refused(tmp_path: Path) -> None:
    one, two = _run(tmp_path, "one"), _run(tmp_path, "two")
    (Path(two.path) / "artefact" / "items-a.parquet").unlink()
    with pytest.raises(InputError, match=r"items-a\.parquet is missing; restore"):
        check_same_task(one, two, ["a"])
    (Path(two.path) / "artefact" / "split" / "card.json").write_text("[]")
    with pytest.raises(InputError, match=r"card\.json cannot be read"):
        check_same_task(one, two, ["a"])
    (Path(two.path) / "artefact" / "digests.json").write_text("{")
    with pytest.raises(InputError, match=r"digests\.json cannot be read"):
        digests_of(two)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_domain_that_one_run_lacks_is_refused(tmp_path: Path, swapped: bool) -> None:
    one = _run(tmp_path, "one")
    alone = read_run(write_run(tmp_path / "alone", {"b": VALUES["b"]}))
    runs = (alone, one) if swapped else (one, alone)
    check_same_task(*runs, ["b"])
    with pytest.raises(
        InputError, match="alone is on b, without the domain a; compare"
    ):
        check_same_task(*runs, ["a", "b"])
