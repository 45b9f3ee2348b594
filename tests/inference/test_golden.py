"""The artefacts that earlier versions wrote are read, and answer as they did."""

from pathlib import Path

import polars as pl
import pytest
from inference.golden import answers

from micrec_pyg.inference.recommender import load
from micrec_pyg.runs.artefact import FORMAT

GOLDEN = sorted(Path(__file__).parent.glob("golden_format_*"))


def test_every_format_has_a_golden_artefact():
    assert [int(path.name.rpartition("_")[2]) for path in GOLDEN] == [
        *range(1, FORMAT + 1)
    ]
    for path in GOLDEN:
        assert sum(file.stat().st_size for file in path.iterdir()) < 100_000


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda path: path.name)
def test_a_golden_artefact_answers_as_it_did(folder):
    before = pl.read_csv(folder / "answers.csv", schema_overrides={"title": pl.String})
    now = answers(load(folder))
    assert now.drop("score", "user").equals(before.drop("score", "user"))
    assert now["score"].to_list() == pytest.approx(before["score"].to_list(), abs=1e-5)
