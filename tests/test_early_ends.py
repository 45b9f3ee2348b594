"""How often the median rule would have lost the best trial of a search."""

import sys
from pathlib import Path

import optuna
import pytest

from benchmarks import early_ends

SLOW = {1: 0.1, 2: 0.2, 3: 0.9}
QUICK = {1: 0.5, 2: 0.6, 3: 0.7}
SHORT = {1: 0.3}


def test_the_best_at_last_may_be_behind_at_first() -> None:
    curves = [QUICK, SLOW, QUICK, SHORT]
    assert [early_ends.behind(curves, epoch) for epoch in (1, 2, 3)] == [
        True,
        True,
        False,
    ]
    assert early_ends.behind([SHORT, QUICK], 3) is None


def test_searches_are_read_as_they_lie_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, curves in {"a": [QUICK, SLOW, QUICK, QUICK], "b": [SHORT] * 4}.items():
        (tmp_path / name).mkdir()
        storage = f"sqlite:///{tmp_path}/{name}/study.db"
        study = optuna.create_study(study_name="study", storage=storage)
        for curve in curves:
            trial = study.ask()
            for epoch, value in curve.items():
                trial.report(value, epoch * 5)
            study.tell(trial, max(curve.values()))
    monkeypatch.setattr(sys, "argv", ["early_ends", str(tmp_path)])
    early_ends.main()
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("1 searches")  # b took one epoch, as closed forms do
    assert "epoch 5: the best is behind in 1 of 1" in said
    assert "epoch 15: the best is behind in 0 of 1" in said
    assert "epoch 20: the best is behind in 0 of 0" in said
