"""One picture of a data set: degrees, shared users, and interactions over time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from micrec_pyg.data.describe.statistics import (
    count_by_month,
    count_degrees,
    measure_catalogues,
)
from micrec_pyg.schema import DomainCatalogue
from micrec_pyg.storage.writing import whole

# Okabe and Ito's palette: told apart with every kind of colour vision.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GRAY = "#767676"
_DETAILED = 3
"""Pairs of domains up to which three bars are drawn for each."""
_SHOWN = 12
SUFFIXES = (".png", ".pdf", ".svg")


def plot(catalogues: Mapping[str, DomainCatalogue], path: Path) -> None:
    """Write a picture of a data set, whole or not at all.

    Above: the share of users, and of items, with at least so many interactions (both
    axes logarithmic; nodes without any count in the whole). Below: users of one domain
    and of both, and interactions per month.

    Args:
        catalogues: by domain name.
        path: a file that ends in one of ``SUFFIXES``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    names = list(catalogues)
    colors = {name: _COLORS[i % len(_COLORS)] for i, name in enumerate(names)}
    _degrees(axes[0, 0], catalogues, "user", colors)
    _degrees(axes[0, 1], catalogues, "item", colors)
    _overlap(axes[1, 0], catalogues, colors)
    _time(axes[1, 1], catalogues, colors)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    with whole(path) as part:
        figure.savefig(part, dpi=150)


def _degrees(
    axis: Any,
    catalogues: Mapping[str, DomainCatalogue],
    node: str,
    colors: Mapping[str, str],
) -> None:
    """Draw which share of the nodes has at least so many interactions."""
    from matplotlib.ticker import NullFormatter

    for name, catalogue in catalogues.items():
        degree = count_degrees(catalogue.interactions)[node]
        values, counts = torch.unique(degree[degree > 0], return_counts=True)
        at_least = counts.flip(0).cumsum(0).flip(0).numpy() / len(degree)
        median = int(degree.median())
        label = f"{name} ({len(degree):,}, median {median})"
        axis.step(
            values.numpy(), at_least, where="pre", color=colors[name], label=label
        )
    axis.set(xscale="log", yscale="log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_title(f"Interactions per {node}", loc="left")
    axis.set_xlabel("at least so many interactions")
    axis.set_ylabel(f"share of {node}s")
    axis.grid(True, color="#e5e5e5", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.legend(frameon=False, loc="lower left", fontsize=9)


def _overlap(
    axis: Any, catalogues: Mapping[str, DomainCatalogue], colors: Mapping[str, str]
) -> None:
    """Draw per pair of domains how many users are in the one, in both, in the other."""
    axis.set_title("Users of two domains", loc="left")
    found = measure_catalogues(catalogues)["overlap"]
    if not found:
        _say(axis, "one domain: no users to share")
        return
    bars: list[tuple[str, int, str]] = []
    for pair, numbers in found.items():
        both = int(numbers["users"])
        bars.append((f"in {pair.replace(', ', ' and ')}", both, _GRAY))
        if len(found) > _DETAILED:
            continue
        names = pair.split(", ")
        first, second = (
            (f"{n} alone", len(catalogues[n].interactions.users) - both, colors[n])
            for n in names
        )
        bars[-1:] = [first, bars[-1], second]
    if len(found) > _DETAILED:
        bars = sorted(bars, key=lambda bar: -bar[1])[:_SHOWN]
    labels, widths, shades = zip(*bars, strict=True)
    drawn = axis.barh(range(len(bars)), widths, height=0.7, color=shades)
    axis.bar_label(drawn, [f"{width:,}" for width in widths], padding=4, fontsize=9)
    axis.set_yticks(range(len(bars)), labels)
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    axis.margins(x=0.15)
    axis.set_xlabel("users")
    axis.locator_params(axis="x", nbins=5)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _time(
    axis: Any, catalogues: Mapping[str, DomainCatalogue], colors: Mapping[str, str]
) -> None:
    """Draw the interactions of every month."""
    from matplotlib import dates

    axis.set_title("Interactions per month", loc="left")
    tables = {name: count_by_month(each) for name, each in catalogues.items()}
    timed = {name: table for name, table in tables.items() if table is not None}
    if not timed:
        _say(axis, "the data has no timestamps")
        return
    for name, table in timed.items():
        # months without interactions are zero, not left out
        whole = table.upsample("month", every="1mo").fill_null(0)
        moments = whole["month"].to_numpy()
        counts = np.append(whole["interactions"].to_numpy(), 0)
        end = whole["month"].dt.offset_by("1mo").to_numpy()[-1:]
        axis.step(
            np.concatenate([moments, end]),
            counts,
            where="post",
            color=colors[name],
            label=name,
        )
    untyped: Any = dates
    locator = untyped.AutoDateLocator()
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=9)
    axis.grid(True, axis="y", color="#e5e5e5", linewidth=0.6)
    axis.set_axisbelow(True)


def _say(axis: Any, text: str) -> None:
    """Write a sentence where there is nothing to draw."""
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[["left", "bottom"]].set_visible(False)
