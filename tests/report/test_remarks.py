"""What a reader of tables is told beside them."""

import json
from pathlib import Path
from typing import Any

import pytest
from reference.runs import write_run

from micrec_pyg.report.collect import collect
from micrec_pyg.report.remarks import cut_runs, remarks

VALUES = {"a": {"all": {"recall@20": [0.5, 0.25]}}}
FIT = {"max_epochs": 20, "patience": 5}


def _write(
    folder: Path, fit: dict[str, Any], record: dict[str, Any], seed: int
) -> None:
    write_run(folder, VALUES, config={"fit": fit}, seed=seed)
    path = folder / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **record}))


@pytest.mark.parametrize(
    ("fit", "record", "cut"),
    [
        # the best of 20 epochs was the 16th or later: patience had not ended
        (FIT, {"epochs": 20, "best_epoch": 15}, True),
        (FIT, {"epochs": 20, "best_epoch": 14}, False),
        (FIT, {"epochs": 19, "best_epoch": 18}, False),  # by the clock of somebody
        (FIT, {"epochs": 0, "best_epoch": 0}, False),
        (FIT, {}, False),
        ({}, {"epochs": 20, "best_epoch": 19}, False),
    ],
)
def test_runs_that_the_limit_of_epochs_ended_are_counted(
    tmp_path: Path, fit: dict[str, Any], record: dict[str, Any], cut: bool
) -> None:
    _write(tmp_path / "one", fit, record, 0)
    _write(tmp_path / "two", fit, {"epochs": 10, "best_epoch": 2}, 1)
    results = collect(str(tmp_path))
    assert cut_runs(results) == ([("ours", 1, 2)] if cut else [])
    said = [text for text in remarks(results, "test") if "fit.max_epochs ended" in text]
    assert [text.endswith("ours (1 of 2)") for text in said] == [True] * cut
