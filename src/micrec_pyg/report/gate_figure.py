"""What the gates of trained runs have learnt, against numbers of interactions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from micrec_pyg.report.figure import save
from micrec_pyg.report.line_figure import COLORS
from micrec_pyg.runs.read import Run
from micrec_pyg.runs.sealed import check_run

if TYPE_CHECKING:
    import numpy.typing as npt

WEIGHTS = "artefact/model.safetensors"
PREFIX = "domain_"
"""Before the names of domains in the names of tensors."""
NUMBERS = np.unique(np.geomspace(1, 301, 60).round()).astype(int) - 1
"""Interactions of a node, 0 to 300."""
ELSEWHERE = (5, 20, 80)
"""Interactions in the other domain that get a line each."""

Weights = Mapping[str, "npt.NDArray[np.float64]"]
"""By the name of the tensor."""
Curves = dict[str, "npt.NDArray[np.float64]"]
"""By what a line shows: a value for each of ``NUMBERS``."""


def draw_gates(runs: Sequence[Run], path: Path) -> list[Path]:
    """Return the pictures written, as SVG and as PDF; none without a gate.

    On the left the factor of a node's neighbours, on the right that of the items of
    another domain in the transfer; each is the mean over the runs.

    Args:
        runs: Of one model, such as those of several seeds.
        path: Its ending is replaced.
    """
    found = [gates_of(run) for run in runs]
    found = [gates for gates in found if gates]
    if not found:
        return []
    near = _means([neighbor_curves(gates) for gates in found])
    far = _means([transfer_curves(gates) for gates in found])
    figure = _figure(
        {"factor of the neighbours": near, "gate of the other domain's items": far}
    )
    written = [path.with_suffix(ending) for ending in (".svg", ".pdf")]
    for picture in written:
        save(figure, picture)
    return written


def gates_of(run: Run) -> Weights:
    """Return the weights of a run's gates; none where its model has no gate."""
    net = run.config.get("model", {}).get("net", {})
    if not (net.get("degree_gate") or net.get("transfer")):
        return {}
    # torch takes seconds to load, and other runs need none of it
    from micrec_pyg.storage.tensors import read_tensors

    check_run(Path(run.path), [WEIGHTS])
    tensors, _ = read_tensors(Path(run.path) / WEIGHTS)
    return {
        name.removeprefix("net."): value.double().numpy()
        for name, value in tensors.items()
        if "gate" in name.removeprefix("net.").split(".")
    }


def neighbor_curves(gates: Weights) -> Curves:
    """Return 2 sigma(w_0 + w_1 log(1 + n)) by domain and side."""
    known = np.log1p(NUMBERS)
    return {
        f"{_domain(parts[1])}, {parts[2]}": 2 * _sigmoid(w[0] + w[1] * known)
        for name, w in gates.items()
        if (parts := name.split("."))[0] == "gate"
    }


def transfer_curves(gates: Weights) -> Curves:
    """Return sigma(a + b log(1 + n) + c log(1 + n')) by pair of domains and n'."""
    known = np.log1p(NUMBERS)
    curves: Curves = {}
    for name, weights in gates.items():
        parts = name.split(".")
        if parts[:2] == ["transfer", "targets"]:
            constant, here, there = weights[1]  # row 0 is the gate of M h'
            for other in ELSEWHERE:
                pair = f"{_domain(parts[3])} → {_domain(parts[2])}, n' = {other}"
                curves[pair] = _sigmoid(
                    constant + here * known + there * np.log1p(other)
                )
    return curves


def _domain(key: str) -> str:
    """Return the domain of a part of a tensor's name."""
    return key.removeprefix(PREFIX).replace("%2E", ".").replace("%25", "%")


def _sigmoid(x: "npt.NDArray[np.float64]") -> "npt.NDArray[np.float64]":
    return np.asarray(1 / (1 + np.exp(-x)))


def _means(curves: Sequence[Curves]) -> Curves:
    return {
        name: np.mean([each[name] for each in curves], axis=0) for name in curves[0]
    }


def _figure(panels: Mapping[str, Curves]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {title: curves for title, curves in panels.items() if curves}
    figure = Figure(figsize=(3.9 * len(shown), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(shown), squeeze=False).flat
    for axis, (title, curves) in zip(axes, shown.items(), strict=True):
        for place, (name, values) in enumerate(curves.items()):
            color = COLORS[place % len(COLORS)]
            axis.plot(NUMBERS, values, label=name, color=color)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xticks(
            [0, 1, 3, 10, 30, 100, 300], ["0", "1", "3", "10", "30", "100", "300"]
        )
        axis.set_xlabel("interactions of the node, n")
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False)
    return figure
