"""Whom a joint run serves better or worse than runs on each domain alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.report.compare import Cell
from micrec_pyg.report.figure import save
from micrec_pyg.report.line_figure import COLORS, legend_below, panels_of

EQUAL = "#bbbbbb"
SHARES = {"worse": COLORS[1], "equal": EQUAL, "better": COLORS[0]}


def per_user_shares(table: Sequence[Cell]) -> pl.DataFrame:
    """Return the share of users whom the joint run serves worse, equally and better.

    A user's value is the mean over seeds; equal is a difference of exactly 0.

    Returns:
        A row per cell: model, domain, group, metric, users, worse, equal, better,
        difference (mean).
    """
    rows = []
    for cell in table:
        if cell.pairs is None or not len(cell.pairs.difference):
            continue
        difference = cell.pairs.difference
        rows.append(
            {
                "model": cell.model,
                "domain": cell.domain,
                "group": cell.group,
                "metric": cell.metric,
                "users": len(difference),
                "worse": float((difference < 0).mean()),
                "equal": float((difference == 0).mean()),
                "better": float((difference > 0).mean()),
                "difference": float(difference.mean()),
            }
        )
    return pl.DataFrame(rows)


def draw_shares(shares: pl.DataFrame, metric: str, path: Path) -> list[Path]:
    """Return the pictures written: a panel per split, a bar per model and domain.

    Args:
        shares: As ``per_user_shares`` returns them, with a column ``split``.
        metric: What is shown, over all users.
        path: Its ending is replaced.
    """
    own = shares.filter(metric=metric, group="all")
    splits = own["split"].unique(maintain_order=True).to_list()
    figure, axes = panels_of(len(splits))
    handles: dict[str, Any] = {}
    for axis, split in zip(axes, splits, strict=True):
        rows = own.filter(split=split).to_dicts()
        names = [f"{row['model']}, {row['domain']}" for row in rows]
        left = [0.0] * len(rows)
        for share, color in SHARES.items():
            values = [row[share] for row in rows]
            handles[share] = axis.barh(names, values, left=left, color=color)
            left = [a + b for a, b in zip(left, values, strict=True)]
        axis.set_title(f"split {split}, {metric}", loc="left", fontsize=9)
        axis.set_xlabel("share of users, joint against alone")
        axis.tick_params(labelsize=7)
        axis.invert_yaxis()
    legend_below(figure, handles)
    written = [path.with_suffix(ending) for ending in (".svg", ".pdf")]
    for picture in written:
        save(figure, picture)
    return written
