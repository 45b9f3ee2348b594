"""Groups of users and items as bars and as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from micrec_pyg.report.html.blocks import Block, Chart, Text, table_of_grid
from micrec_pyg.report.html.charts import bars
from micrec_pyg.report.tables import aggregate, overview
from micrec_pyg.runs.averages import AVERAGE

FAMILIES: Mapping[str, str] = {
    "item_degree_": "Test items by the interactions that are known",
    "user_history_": "Users by the interactions that are known",
}
"""Beginning of a group's name -> what its bars are."""

MOST_LABELS = 12
"""Models in one chart of bars."""


def group_blocks(
    results: pl.DataFrame,
    *,
    metrics: Sequence[str],
    part: str,
    best: Sequence[str],
    colors: Mapping[str, str],
) -> list[Block]:
    """Return bars per family of groups, and a table of all groups.

    Args:
        results: As ``collect`` returns it, of one data set and split.
        metrics: Of the bars; the table has the first.
        part: ``val`` or ``test``.
        best: Labels, the best first.
        colors: Of the labels.
    """
    groups = results.filter(part=part)["group"].unique().sort().to_list()
    blocks: list[Block] = []
    shown = best[:MOST_LABELS]
    for beginning in FAMILIES:
        if own := [group for group in groups if group.startswith(beginning)]:
            table = aggregate(results, metrics=metrics, groups=own, part=part)
            blocks.append(_bars(table, beginning, metrics, shown, colors))
    if not blocks:
        return []
    if len(best) > MOST_LABELS:
        blocks.append(Text([f"The bars show the {MOST_LABELS} best models."]))
    others = [g for g in sorted(groups, key=_key) if g != "all"]
    grid = overview(results, metric=metrics[0], groups=others, part=part, names={})
    caption = f"{metrics[0]} in every group, average over domains"
    names = [group for _, group in grid.columns]
    return [*blocks, table_of_grid(caption, grid, names)]


def shown_name(group: str, beginning: str) -> str:
    """Return a group's name without what all bars share: 0, 1-2, 11 and more."""
    low, _, high = group.removeprefix(beginning).partition("_")
    if high:
        return f"{low}-{high}"
    return f"{low} and more" if group.endswith("_") else low


def _bars(
    table: pl.DataFrame,
    beginning: str,
    metrics: Sequence[str],
    best: Sequence[str],
    colors: Mapping[str, str],
) -> Chart:
    """Return the bars of one family of groups.

    Args:
        table: As ``aggregate`` returns it, of these groups.
        beginning: Of the groups' names.
        metrics: A menu, with every domain.
        best: Labels, from top to bottom.
        colors: Of the labels.
    """
    domains = sorted({*table["domain"]} - {AVERAGE})
    if len(domains) > 1:
        domains = [AVERAGE, *domains]
    columns = [(metric, domain) for metric in metrics for domain in domains]
    fields = {column: f"y{number}" for number, column in enumerate(columns)}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in table.iter_rows(named=True):
        field = fields.get((row["metric"], row["domain"]))
        if field is not None and row["label"] in best:
            names = {
                "label": row["label"],
                "group": shown_name(row["group"], beginning),
            }
            own = rows.setdefault((row["label"], row["group"]), names)
            own |= {field: row["mean"], f"{field}_sd": row["sd"]}
    title = FAMILIES[beginning]
    if table["seeds"].max() != 1:
        title += "; a line is one standard deviation over seeds to either side"
    return bars(
        title,
        sorted(rows.values(), key=lambda row: best.index(row["label"])),
        series={field: f"{m}, {d}" for (m, d), field in fields.items()},
        colors=colors,
        name="interactions",
        groups=[
            shown_name(g, beginning) for g in sorted({*table["group"]}, key=_least)
        ],
    )


def _least(group: str) -> int:
    """Return the least number of interactions in a group."""
    return next((int(word) for word in group.split("_") if word.isdecimal()), -1)


def _key(group: str) -> tuple[str, int, str]:
    return group.rstrip("_0123456789"), _least(group), group
