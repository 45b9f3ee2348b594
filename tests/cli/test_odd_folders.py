"""Folders whose names are patterns to others are folders."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from micrec_pyg.cli.train import train_job
from micrec_pyg.inference.recommender import load
from micrec_pyg.runs.evaluate import evaluate_job


@pytest.fixture
def make(small: list[str], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains a run in a folder of a given name."""

    def run(name: str, *overrides: str) -> Path:
        return Path(shutil.move(train_job([*small, *overrides]), tmp_path / name))

    return run


def test_a_run_in_brackets_is_tested_and_compared(micrec, make, tmp_path) -> None:
    runs = [make("run[1]", "model=inmo"), make("run1", "model=inmo_mf")]
    for run in runs:
        evaluate_job(run)
    assert micrec("compare", *runs, "--json", tmp_path / "found.json") == 0
    found = (tmp_path / "found.json").read_text()
    differences = re.findall(r'"difference": ([-.\de]+)', found)
    assert any(float(each) for each in differences)


def test_an_artefact_in_brackets_answers_as_itself(make, tmp_path) -> None:
    brackets = make("run[1]", "model=inmo")
    plain = Path(shutil.copytree(brackets, tmp_path / "plain"))
    make("run1", "model=inmo", "seed=1")  # another split: other known pairs
    answers = []
    for run in (brackets, plain):
        rec = load(run)
        users = rec.users("d0").head(12).to_list()
        answers.append(rec.recommend(users=users, domain="d0", k=5))
    assert answers[0].equals(answers[1])
