"""What a person sees of a run while it trains."""

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reference.experiments import experiment

from micrec_pyg.runs.progress import QUIET_S, Progress
from micrec_pyg.runs.progress_line import WIDTH, Course

MADE = experiment(weights={"bpr": 1.0})
FIT = replace(MADE.fit, max_epochs=9, patience=5, metric="ndcg@20")
EXPERIMENT = replace(MADE, fit=FIT)


def row(epoch: int, *values: float, **losses: float) -> dict[str, Any]:
    val = {f"d{n}": {"ndcg@20": value} for n, value in enumerate(values)}
    return {"epoch": epoch, "loss": losses, "val": val or None}


def course(**changed: Any) -> Course:
    options = {"max_epochs": 200, "patience": 15, "metric": "ndcg@20"}
    return Course(**{**options, "weights": {"bpr": 1.0, "l2": 0.1}, **changed})


def test_the_line_has_the_mean_the_best_and_the_time_that_is_left() -> None:
    shown = course()
    shown.add(row(0, 0.4, 0.2, bpr=0.7, l2=2.0, off=9.0), now=100.0)
    assert shown.line() == "epoch 1/200  loss 0.9000  ndcg@20 0.3000  best 0.3000"
    shown.add(row(1, 0.1, 0.2, bpr=0.5, l2=1.0), now=102.0)
    # 14 more epochs of 2 s if none is better, 198 in any case
    assert shown.left_s() == (28.0, 396.0)
    assert shown.line() == (
        "epoch 2/200  loss 0.6000  ndcg@20 0.1500  best 0.3000  "
        "28 s left, at most 7 min"
    )


def test_patience_never_adds_epochs() -> None:
    shown = course(max_epochs=3, patience=50)
    for epoch in range(2):
        shown.add(row(epoch, 0.1, bpr=1.0), now=float(epoch))
    assert shown.left_s() == (1.0, 1.0)
    assert shown.line().endswith("  at most 1 s left")


def test_a_model_without_losses_has_no_time_left() -> None:
    shown = course()
    shown.add(row(0, 0.25), now=1.0)
    assert shown.line() == "epoch 1/200  ndcg@20 0.2500  best 0.2500"


def test_epochs_without_validation_show_the_last_one() -> None:
    shown = course()
    shown.add(row(3, 0.25, bpr=1.0))
    shown.add(row(4, bpr=1.0))
    assert "ndcg@20 0.2500  best 0.2500" in shown.line()


def test_training_that_begins_anew_has_no_best() -> None:
    shown = course()
    shown.add(row(7, 0.9, bpr=1.0))
    shown.add(row(0, 0.1, bpr=1.0))
    assert "best 0.1000" in shown.line()


@pytest.mark.parametrize("epoch_s", [0.001, 1.0, 70.0, 4000.0])
@pytest.mark.parametrize("metric", ["ndcg@20", "precision@100"])
def test_three_domains_and_four_losses_fit_80_columns(epoch_s, metric) -> None:
    losses = {"bpr": 0.6931, "self_enhanced": 12.5, "contrastive": 7.25, "l2": 3.0}
    shown = course(max_epochs=1000, metric=metric, weights=dict.fromkeys(losses, 1.0))
    for epoch in range(998):
        val = {domain: {metric: 0.1234} for domain in ("food", "kitchen", "toys")}
        line = {"epoch": epoch, "loss": losses, "val": val}
        shown.add(line, now=epoch * epoch_s)
        assert len(shown.line()) <= WIDTH
        for part in (f"epoch {epoch + 1}/1000", f"{metric} 0.1234", "best 0.1234"):
            assert part in shown.line()
        assert "at most" in shown.line() or epoch == 0


def test_a_narrow_terminal_loses_the_loss_first_and_the_epoch_last() -> None:
    shown = course()
    for epoch in range(2):
        shown.add(row(epoch, 0.25, bpr=0.5), now=60.0 * epoch)
    lines = {shown.line(width) for width in range(1, WIDTH + 1)}
    assert all(len(shown.line(width)) <= width for width in range(1, WIDTH + 1))
    assert {
        "epoch 2/200",
        "epoch 2/200  ndcg@20 0.2500",
        "epoch 2/200  ndcg@20 0.2500  at most 3.3 h left",
        "epoch 2/200  ndcg@20 0.2500  best 0.2500  at most 3.3 h left",
        "epoch 2/200  loss 0.5000  ndcg@20 0.2500  best 0.2500  at most 3.3 h left",
    } <= lines


def test_a_log_gets_a_line_now_and_then(tmp_path, monkeypatch, caplog) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    caplog.set_level(logging.INFO, "micrec_pyg")
    progress = Progress()
    progress.start(EXPERIMENT, tmp_path, {})
    for epoch in range(5):
        clock[0] += 0.6 * QUIET_S
        progress.epoch(row(epoch, 0.25, bpr=0.5))
    progress.finish(None)
    assert [line.split("  ")[0] for line in caplog.messages] == [
        "epoch 2/9",
        "epoch 4/9",
    ]
    assert caplog.messages[0].endswith("best 0.2500  24 s left, at most 42 s")


def test_a_resumed_run_knows_its_best_epoch(tmp_path, monkeypatch, caplog) -> None:
    lines = [json.dumps(row(0, 0.75, bpr=1.0)), json.dumps(row(1, 0.5, bpr=1.0))]
    (tmp_path / "history.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("micrec_pyg.runs.progress.QUIET_S", 0.0)
    caplog.set_level(logging.INFO, "micrec_pyg")
    progress = Progress()
    progress.start(EXPERIMENT, tmp_path, {})
    progress.epoch(row(2, 0.25, bpr=0.5))
    progress.finish(None)
    assert caplog.messages == ["epoch 3/9  loss 0.5000  ndcg@20 0.2500  best 0.7500"]
    for damaged in ("[1]\n", "{", ""):
        (tmp_path / "history.jsonl").write_text(damaged)
        progress.start(EXPERIMENT, tmp_path, {})
        progress.finish(None)


def test_log_lines_stand_above_the_line_of_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    console = logging.StreamHandler(sys.stderr)
    ours = logging.getLogger("micrec_pyg")
    monkeypatch.setattr(ours, "handlers", [console])
    monkeypatch.setattr(ours, "propagate", False)
    progress = Progress()
    progress.start(EXPERIMENT, tmp_path, {})
    progress.epoch(row(0, 0.25, bpr=0.5))
    ours.warning("a cache is made anew")
    progress.epoch(row(1, 0.25, bpr=0.5))
    progress.finish(None)
    assert ours.handlers == [console]
    shown = capsys.readouterr().err
    lines = [each.split("\r")[-1].strip() for each in shown.splitlines()]
    assert "a cache is made anew" in lines
    assert lines[-1].startswith("epoch 2/9  loss 0.5000")
    assert all(len(part) < 80 for part in shown.replace("\n", "\r").split("\r"))
