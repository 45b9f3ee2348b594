"""The plots of ``docs/performance.md``."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.harness import Row

OURS, MISSED, GREY = "#1f6fb4", "#d1702b", "#777777"
COLORS = (OURS, MISSED, "#3a8a4d")
"""Of machines."""


def ratio_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw a bar for every comparison; a tick marks its target."""
    shown = [r for r in rows if r["ratio"] is not None and r["part"] != "growth"][::-1]
    figure, axes = _subplots(1, (9, 0.4 * len(shown) + 1.2))
    (axis,) = axes
    places = range(len(shown))
    colors = [MISSED if row["met"] is False else OURS for row in shown]
    beyond = [row["ratio"] - 1 for row in shown]
    axis.barh(places, beyond, left=1, color=colors, height=0.6)
    for place, row in zip(places, shown, strict=True):
        least = 1.0
        if row["target"]:
            least = float(row["target"].split()[-1])
            axis.plot([least] * 2, [place - 0.4, place + 0.4], color="black", lw=1.5)
        right = max(1.0, least, row["ratio"])  # of bar and tick
        axis.text(right, place, f" {row['ratio']:.2g}x", va="center", fontsize=8)
    names = [
        f"{row['name']}\nagainst {row['peer_name']}; {machine_of(row)}" for row in shown
    ]
    axis.set_yticks(places, names, fontsize=7)
    axis.set_xscale("log")
    axis.axvline(1, color=GREY, lw=0.8)
    axis.margins(x=0.15, y=0.01)
    axis.set_xlabel("ratio (above 1: ours is better); black: target")
    _save(figure, path)


def growth_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw time per epoch and peak memory of each machine over the interactions."""
    figure, axes = _subplots(2, (9, 3.4))
    by_machine: dict[str, list[Row]] = {}
    for row in rows:
        if row["part"] == "growth":
            by_machine.setdefault(machine_of(row), []).append(row)
    for (name, grown), color in zip(by_machine.items(), cycle(COLORS), strict=False):
        floors = [row for row in grown if row["peer_name"].startswith("floor")]
        places = [row["interactions"] for row in floors]
        least = [row["peer"] for row in floors]
        axes[0].loglog(places, least, "^:", color=color, label="bytes at copy speed")
        for axis, unit in zip(axes, ("s", "MB"), strict=True):
            line = [row for row in grown if row["unit"] == unit and row not in floors]
            sizes = [row["interactions"] for row in line]
            found = [row["ours"] for row in line]
            linear = [found[0] * size / sizes[0] for size in sizes]
            axis.loglog(sizes, linear, "--", color=color, lw=0.8, label="linear")
            axis.loglog(sizes, found, "o-", color=color, label=name)
    for axis, label in zip(axes, ("seconds per epoch", "peak memory, MB"), strict=True):
        axis.set_xlabel("interactions")
        axis.set_ylabel(label)
        axis.legend(frameon=False, fontsize=8)
    _save(figure, path)


def machine_of(row: Row) -> str:
    """Return what the machine of a row is called: its GPU, or its CPU without cores."""
    machine = row["machine"]
    if row["part"] == "gpu" and "GPU" in machine:
        return str(machine["GPU"])
    return str(machine["CPU"]).partition(",")[0].replace("(R)", "")


def _subplots(columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = [figure.add_subplot(1, columns, 1 + place) for place in range(columns)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    """Write an SVG that is the same for the same numbers."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "micrec"}):
        figure.savefig(path, metadata={"Date": None})
