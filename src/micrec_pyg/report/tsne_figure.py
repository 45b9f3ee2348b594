"""Shared users of two domains as a picture (t-SNE), with the score in its title."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.report.figure import save
from micrec_pyg.report.line_figure import COLORS, legend_below, panels_of
from micrec_pyg.schema import InputError

MOST_USERS = 400
"""Shared users in one panel: more hide each other, and take long."""
MOST_LINES = 25
"""Users whose two accounts are joined by a line."""
LEAST_USERS = 5


@dataclass(frozen=True, eq=False)
class Cloud:
    """One panel: the vectors of shared users in both domains."""

    title: str
    first: Tensor
    second: Tensor
    names: Sequence[str]
    """Of both domains."""


def draw_clouds(clouds: Sequence[Cloud], path: Path, *, seed: int) -> list[Path]:
    """Return the pictures written, as SVG and as PDF; same vectors, same bytes.

    Args:
        clouds: A panel each.
        path: Its ending is replaced.
        seed: Of the users drawn and of the start of t-SNE.

    Raises:
        InputError: openTSNE is not installed.
    """
    figure, axes = panels_of(len(clouds))
    handles: dict[str, Any] = {}
    for axis, cloud in zip(axes, clouds, strict=True):
        _draw(axis, cloud, seed, handles)
    legend_below(figure, handles)
    written = [path.with_suffix(ending) for ending in (".svg", ".pdf")]
    for picture in written:
        save(figure, picture)
    return written


def place(first: Tensor, second: Tensor, *, seed: int) -> tuple[Any, Any]:
    """Return places in the plane of the accounts of both domains, by cosine.

    Raises:
        InputError: openTSNE is not installed.
    """
    try:
        from openTSNE import TSNE
    except ImportError as error:
        raise InputError(
            "the picture of shared users needs openTSNE: pip install 'micrec-pyg[tsne]'"
        ) from error
    both = torch.cat([first, second]).numpy().astype(np.float64)
    perplexity = min(30, max(2, len(both) // 4))
    model = TSNE(
        perplexity=perplexity,
        metric="cosine",
        initialization="pca",
        negative_gradient_method="bh",
        random_state=seed,
        n_jobs=1,
    )
    found = np.asarray(model.fit(both))
    return found[: len(first)], found[len(first) :]


def _draw(axis: Any, cloud: Cloud, seed: int, handles: dict[str, Any]) -> None:
    axis.set_title(cloud.title, loc="left", fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])
    if len(cloud.first) < LEAST_USERS:
        return
    order = torch.randperm(
        len(cloud.first), generator=RandomStreams(seed)("t-SNE", "users")
    )[:MOST_USERS]
    first, second = place(cloud.first[order], cloud.second[order], seed=seed)
    for one, other in zip(first[:MOST_LINES], second[:MOST_LINES], strict=True):
        axis.plot(*zip(one, other, strict=True), color="#999999", linewidth=0.5)
    for name, points, color in zip(cloud.names, (first, second), COLORS, strict=False):
        handles[name] = axis.scatter(*points.T, s=4, color=color, linewidths=0)


def title_of(label: str, stage: str, score: Mapping[str, Any]) -> str:
    """Return a panel's title: the run, the stage, and the mean rank against chance."""
    return (
        f"{label}, {stage}: mean rank {score['mean_rank']:.0f} of {score['users']} "
        f"(chance {score['chance']:.0f})"
    )
