"""The gates of a run as curves, and as a picture."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from micrec_pyg.report import gate_figure
from micrec_pyg.report.gate_figure import (
    ELSEWHERE,
    NUMBERS,
    draw_gates,
    neighbor_curves,
    transfer_curves,
)
from micrec_pyg.runs.read import Run
from micrec_pyg.storage.tensors import write_tensors

GATES = {
    "gate.domain_food.user": np.array([0.3, -0.2]),
    "gate.domain_a%2Eb.item": np.array([-0.1, 0.4]),
    "transfer.targets.domain_food.domain_a%2Eb.gate": np.array(
        [[9.0, 9.0, 9.0], [0.1, -0.5, 0.7]]
    ),
}


def test_curves_are_those_of_the_equations():
    near, far = neighbor_curves(GATES), transfer_curves(GATES)
    assert list(near) == ["food, user", "a.b, item"]
    assert list(far) == [f"a.b → food, n' = {n}" for n in ELSEWHERE]
    for place, n in enumerate(NUMBERS):
        known = 0.3 - 0.2 * math.log(1 + n)
        assert near["food, user"][place] == pytest.approx(2 / (1 + math.exp(-known)))
        for other in ELSEWHERE:
            x = 0.1 - 0.5 * math.log(1 + n) + 0.7 * math.log(1 + other)
            found = far[f"a.b → food, n' = {other}"][place]
            assert found == pytest.approx(1 / (1 + math.exp(-x)))


def run_with(tensors, folder: Path, **net) -> Run:
    write_tensors(folder / gate_figure.WEIGHTS, tensors, {})
    return Run(str(folder), {}, {"model": {"net": net}})


def test_a_picture_shows_the_mean_of_the_runs(tmp_path, monkeypatch):
    shown = SimpleNamespace(panels=None)
    draw = gate_figure._figure
    monkeypatch.setattr(
        gate_figure, "_figure", lambda p: (setattr(shown, "panels", p), draw(p))[1]
    )
    runs = []
    for seed, prefix in enumerate(("", "net.")):  # the second one has a term
        tensors = {
            prefix + name: torch.from_numpy(value) * (1 - seed)
            for name, value in {**GATES, "other": np.zeros(2)}.items()
        }
        runs.append(run_with(tensors, tmp_path / str(seed), degree_gate=True))
    written = draw_gates(runs, tmp_path / "gates.svg")
    assert [path.name for path in written] == ["gates.svg", "gates.pdf"]
    assert "<svg" in written[0].read_text(encoding="utf-8")
    near = shown.panels["factor of the neighbours"]
    expected = (neighbor_curves(GATES)["food, user"] + 1) / 2  # weights of 0 give 1
    assert near["food, user"] == pytest.approx(expected)


def test_a_model_without_gates_has_no_picture(tmp_path):
    run = run_with({"w": torch.zeros(1)}, tmp_path / "run")
    assert draw_gates([run], tmp_path / "gates.svg") == []
    assert draw_gates([replace(run, config={})], tmp_path / "gates.svg") == []
