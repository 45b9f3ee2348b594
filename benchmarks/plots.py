"""The plots of ``docs/performance.md``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Row

OURS, MISSED, GREY = "#1f6fb4", "#d1702b", "#777777"


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
    names = [f"{row['name']}\nagainst {row['peer_name']}" for row in shown]
    axis.set_yticks(places, names, fontsize=7)
    axis.set_xscale("log")
    axis.axvline(1, color=GREY, lw=0.8)
    axis.margins(x=0.15, y=0.01)
    axis.set_xlabel("ratio (above 1: ours is better); black: target")
    _save(figure, path)


def growth_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw time per epoch and peak memory over the number of interactions."""
    grown = [row for row in rows if row["part"] == "growth"]
    figure, axes = _subplots(2, (9, 3.4))
    floors = [row for row in grown if row["peer_name"].startswith("floor")]
    places = [row["interactions"] for row in floors]
    least = [row["peer"] for row in floors]
    axes[0].loglog(places, least, "^:", color=MISSED, label="bytes at copy speed")
    for axis, unit, label in (
        (axes[0], "s", "seconds per epoch"),
        (axes[1], "MB", "peak memory, MB"),
    ):
        line = [row for row in grown if row["unit"] == unit and row not in floors]
        sizes = [row["interactions"] for row in line]
        found = [row["ours"] for row in line]
        linear = [found[0] * size / sizes[0] for size in sizes]
        axis.loglog(sizes, linear, "--", color=GREY, label="linear")
        axis.loglog(sizes, found, "o-", color=OURS, label="measured")
        axis.set_xlabel("interactions")
        axis.set_ylabel(label)
        axis.legend(frameon=False)
    _save(figure, path)


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
