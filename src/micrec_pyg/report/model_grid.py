"""One table of results: models down, metrics within domains across."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from micrec_pyg import grid
from micrec_pyg.report.marks import MARK, Place, has_best
from micrec_pyg.runs.grids import FEW

FEW_NOTE = (
    f"{FEW} = at most k candidates in some seed: recall at k is 1 for any model there."
)

AVERAGE = "average"
"""The column behind the domains: their unweighted mean."""

ABSENT = "-"
"""Stands where a model has no answer, or no run."""


def few_candidates(
    results: pl.DataFrame, metrics: Sequence[str]
) -> frozenset[tuple[str, str]]:
    """Return the domains and metrics whose lists hold every candidate.

    An average over domains is among them as soon as one of its domains is.
    """
    counts = results.filter(metric="candidates").group_by("domain")
    least = dict(counts.agg(pl.col("value").min()).iter_rows())
    found = {
        (domain, metric)
        for domain, number in least.items()
        for metric in metrics
        if has_best(metric) and number <= int(metric.partition("@")[2])
    }
    return frozenset(found | {(AVERAGE, metric) for _, metric in found})


def model_grid(
    cells: pl.DataFrame,
    labels: Sequence[str],
    metrics: Sequence[str],
    names: Mapping[str, str],
    marked: frozenset[Place] = frozenset(),
    few: frozenset[tuple[str, str]] = frozenset(),
) -> str:
    """Return one Markdown table: models down, metrics within domains across."""
    found = {
        (row["label"], row["domain"], row["metric"]): row for row in cells.to_dicts()
    }
    domains = sorted({domain for _, domain, _ in found} - {AVERAGE})
    # the average of one domain would repeat it
    blocks = [*domains, AVERAGE] if len(domains) > 1 else domains
    columns = [(domain, metric) for domain in blocks for metric in metrics]
    best = _bests(found.values())
    head = ["model", *(f"{domain} {metric}" for domain, metric in columns), "seeds"]
    lines = [head]
    for label in labels:
        rows = [found.get((label, *column)) for column in columns]
        marks = [
            _cell(row, bold=best.get(column) == label)
            + (MARK if (label, *column) in marked else "")
            + (FEW if row is not None and column in few else "")
            for column, row in zip(columns, rows, strict=True)
        ]
        seeds = max((row["seeds"] for row in rows if row is not None), default=ABSENT)
        lines.append([names.get(label, label), *marks, str(seeds)])
    table = grid.markdown(lines, right=range(1, len(head)))
    return "".join(f"{line}\n" for line in table)


def _bests(rows: Collection[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Return the label of the best mean by domain and metric.

    Nothing where a second label prints the same digits, or in a table of one label.
    """
    several = len({row["label"] for row in rows}) > 1
    means: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        domain, metric = row["domain"], row["metric"]
        if has_best(metric) or has_best(domain):  # see overview
            means.setdefault((domain, metric), {})[row["label"]] = f"{row['mean']:.4f}"
    found = {}
    for column, by_label in means.items():
        top = max(by_label.values(), key=float)
        first = [label for label, value in by_label.items() if value == top]
        if len(first) == 1 and several:
            found[column] = first[0]
    return found


def _cell(row: Mapping[str, Any] | None, *, bold: bool) -> str:
    """Return ``0.1234 ± 0.0012``; no deviation for one seed."""
    if row is None:
        return ABSENT
    text = f"{row['mean']:.4f}"
    if row["sd"] is not None:
        text += f" ± {row['sd']:.4f}"
    return f"**{text}**" if bold else text
