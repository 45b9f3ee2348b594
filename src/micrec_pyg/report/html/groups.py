"""Groups of users and items as bars and as a table."""

from collections.abc import Mapping, Sequence

import polars as pl

from micrec_pyg.report.html.blocks import Block, Text, table_of_grid
from micrec_pyg.report.html.charts import bars
from micrec_pyg.report.model_grid import AVERAGE
from micrec_pyg.report.tables import aggregate, overview

FAMILIES: Mapping[str, tuple[str, str]] = {
    "item_degree_": ("Test items by their training interactions", "interactions"),
    "user_history_": ("Users by their training interactions", "interactions"),
}
"""Beginning of a group's name -> what its bars are, and what tells them apart."""

MOST_LABELS = 12
"""Models in one chart of bars."""


def group_blocks(
    results: pl.DataFrame, *, metrics: Sequence[str], part: str, best: Sequence[str]
) -> list[Block]:
    """Return bars per family of groups, and a table of all groups.

    Args:
        results: As ``collect`` returns it, of one data set and split.
        metrics: Of the bars; the table has the first.
        part: ``val`` or ``test``.
        best: Labels, the best first.
    """
    groups = results.filter(part=part)["group"].unique().sort().to_list()
    blocks: list[Block] = []
    for beginning, (title, name) in FAMILIES.items():
        own = sorted((g for g in groups if g.startswith(beginning)), key=_least)
        if own:
            chart = _bars(results, own, beginning, title, name, metrics, part, best)
            blocks.append(chart)
    if not blocks:
        return []
    if len(best) > MOST_LABELS:
        blocks.append(Text([f"The bars show the {MOST_LABELS} best models."]))
    others = [g for g in sorted(groups, key=_key) if g != "all"]
    grid = overview(results, metric=metrics[0], groups=others, part=part, names={})
    caption = f"{metrics[0]} in every group, average over domains"
    return [*blocks, table_of_grid(caption, grid)]


def shown(group: str, beginning: str) -> str:
    """Return a group's name without what all bars share: 0, 1-2, 11 and more."""
    low, _, high = group.removeprefix(beginning).partition("_")
    if high:
        return f"{low}-{high}"
    return f"{low} and more" if group.endswith("_") else low


def _bars(
    results: pl.DataFrame,
    groups: Sequence[str],
    beginning: str,
    title: str,
    name: str,
    metrics: Sequence[str],
    part: str,
    best: Sequence[str],
) -> Block:
    table = aggregate(results, metrics=metrics, groups=groups, part=part)
    domains = sorted({*table["domain"]} - {AVERAGE})
    if len(domains) > 1:
        domains = [AVERAGE, *domains]
    fields = {
        (domain, metric): f"y{number}"
        for number, (domain, metric) in enumerate(
            (d, m) for m in metrics for d in domains
        )
    }
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for row in table.iter_rows(named=True):
        field = fields.get((row["domain"], row["metric"]))
        if field is None or row["label"] not in best[:MOST_LABELS]:
            continue
        names = {"label": row["label"], "group": shown(row["group"], beginning)}
        own = rows.setdefault((row["label"], row["group"]), names)
        own |= {field: row["mean"], f"{field}_sd": row["sd"]}
    place = {label: number for number, label in enumerate(best)}
    return bars(
        f"{title}; a line is one standard deviation over seeds to either side",
        [rows[key] for key in sorted(rows, key=lambda key: place[key[0]])],
        series={
            field: f"{metric}, {domain}" for (domain, metric), field in fields.items()
        },
        name=name,
        groups=[shown(group, beginning) for group in groups],
    )


def _least(group: str) -> int:
    """Return the least number of interactions in a group."""
    return next((int(word) for word in group.split("_") if word.isdecimal()), -1)


def _key(group: str) -> tuple[str, int, str]:
    return group.rstrip("_0123456789"), _least(group), group
