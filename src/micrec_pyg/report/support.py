"""The accuracy of new users and items by their number of support edges."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.grid import Titled
from micrec_pyg.report.line_figure import Line, draw_panels
from micrec_pyg.report.model_grid import ABSENT
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.schema import InputError

KEYS = ["label", "split", "side", "domain", "metric", "edges"]


def support_table(runs: Mapping[tuple[str, str, int], pl.DataFrame]) -> pl.DataFrame:
    """Return mean and sd over seeds, per domain and as the average over domains.

    The average is taken within a seed, over the domains that have judged nodes in
    every run.

    Args:
        runs: By label, split and seed: what ``measure_support`` returned.

    Returns:
        Columns ``KEYS``, mean, sd (null for one seed), seeds, nodes (mean over seeds).

    Raises:
        InputError: The runs have unlike largest numbers of edges, so that unlike nodes
            are judged.
    """
    largest = {key: str(frame["edges"].max()) for key, frame in runs.items()}
    if len({*largest.values()}) > 1:
        told = ", ".join(f"{' '.join(map(str, k))}: {n}" for k, n in largest.items())
        raise InputError(
            "the largest number of support edges decides which nodes are judged: "
            f"{told}; measure all runs up to the same number"
        )
    rows = pl.concat(
        [
            frame.with_columns(
                label=pl.lit(label), split=pl.lit(split), seed=pl.lit(seed)
            )
            for (label, split, seed), frame in runs.items()
        ],
        how="diagonal",
    )
    average = (
        in_every_run(rows, "split", "side")
        .group_by(*KEYS[:3], "metric", "edges", "seed", maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("nodes").sum())
        .with_columns(domain=pl.lit(AVERAGE))
    )
    columns = [*KEYS, "seed", "value", "nodes"]
    return (
        pl.concat([rows.select(columns), average.select(columns)])
        .group_by(KEYS, maintain_order=True)
        .agg(
            pl.col("value").mean().alias("mean"),
            pl.col("value").std().alias("sd"),
            pl.col("seed").n_unique().alias("seeds"),
            pl.col("nodes").mean(),
        )
    )


def in_every_run(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Return rows without the domains that some run has no value in.

    An average over domains would else be of one domain in this run and of two in that.

    Args:
        rows: With columns domain, label and seed.
        keys: Runs with the same values in these columns are compared.
    """
    runs = pl.struct("label", "seed").n_unique()
    return rows.filter(runs.over(*keys, "domain") == runs.over(*keys))


def least_edges(table: pl.DataFrame, label: str, reference: str) -> int | None:
    """Return from how many edges on a model is ahead of a reference; None if never.

    Ahead means a higher mean at this number of edges and at every larger one.

    Args:
        table: Of one side, domain and metric, as ``support_table`` returns it.
        label: Of the model.
        reference: Label of the reference.
    """
    means = {
        name: dict(table.filter(label=name).select("edges", "mean").iter_rows())
        for name in (label, reference)
    }
    least = None
    for edges in sorted(means[reference], reverse=True):
        if not means[label].get(edges, float("-inf")) > means[reference][edges]:
            break
        least = edges
    return least


def support_tables(
    table: pl.DataFrame, labels: Sequence[str], references: Sequence[str], metric: str
) -> list[Titled]:
    """Return a table per split, side and domain: models down, edges across.

    Args:
        table: As ``support_table`` returns it.
        labels: Rows, in this order.
        references: Labels that the last columns compare with.
        metric: What is shown.
    """
    own = table.filter(metric=metric)
    found = []
    for split, side, domain in (
        own.select("split", "side", "domain").unique(maintain_order=True).iter_rows()
    ):
        part = own.filter(split=split, side=side, domain=domain)
        edges = part["edges"].unique().sort().to_list()
        known = [name for name in references if name in part["label"]]
        above = [f"ahead of {name} from edges" for name in known]
        rows = [["model", *map(str, edges), *above]]
        for label in labels:
            cells = {
                row["edges"]: _cell(row) for row in part.filter(label=label).to_dicts()
            }
            least = [least_edges(part, label, name) for name in known]
            ahead = [ABSENT if n is None else str(n) for n in least]
            rows.append([label, *(cells.get(n, ABSENT) for n in edges), *ahead])
        nodes = max(part["nodes"].to_list())
        title = f"split {split}, new {side}s, {domain}, {metric} by support edges"
        note = f"{nodes:.0f} new {side}s are judged (mean over seeds)."
        found.append(Titled(title, rows, range(1, len(rows[0])), note))
    return found


def draw_support(
    table: pl.DataFrame, labels: Sequence[str], metric: str, path: Path
) -> list[Path]:
    """Return the pictures written: a panel per split and side, a line per model."""
    own = table.filter(metric=metric, domain=AVERAGE)
    panels: dict[str, list[Line]] = {}
    for split, side in own.select("split", "side").unique(maintain_order=True).rows():
        lines = []
        for label in labels:
            rows = own.filter(split=split, side=side, label=label).sort("edges")
            if rows.height:
                sd = rows["sd"].fill_null(0.0).to_list()
                x = [float(edges) for edges in rows["edges"]]
                lines.append(Line(label, x, rows["mean"].to_list(), sd))
        panels[f"split {split}, new {side}s"] = lines
    return draw_panels(panels, path, axis="support edges", metric=metric)


def _cell(row: Mapping[str, Any]) -> str:
    mean = f"{row['mean']:.4f}"
    return mean if row["sd"] is None else f"{mean} ± {row['sd']:.4f}"
