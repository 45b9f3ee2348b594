"""The page of many runs: who leads, by how much, in which group, at what cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.report.collect import labels_of, varied
from micrec_pyg.report.html.axes import pairs_of_axes
from micrec_pyg.report.html.blocks import (
    Block,
    Chart,
    Fold,
    Heading,
    Page,
    Section,
    Text,
    table_of_grid,
)
from micrec_pyg.report.html.charts import colors_of, points
from micrec_pyg.report.html.costs import all_runs, environment, settings, timings
from micrec_pyg.report.html.groups import group_blocks
from micrec_pyg.report.html.histories import histories, step_of, validation
from micrec_pyg.report.interval import NOTE, interval_of
from micrec_pyg.report.marks import OTHER_TASKS
from micrec_pyg.report.remarks import remarks
from micrec_pyg.report.tables import Sheet, aggregate
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.runs.read import Run, family_of, read_run


def study_page(
    results: pl.DataFrame,
    sheets: Sequence[Sheet],
    *,
    root: Path,
    metrics: Sequence[str],
    part: str,
) -> Page:
    """Return the page of all runs under a folder.

    Args:
        results: As ``collect`` returns it.
        sheets: The tables, as ``tables.sheets`` returns them.
        root: The folder.
        metrics: The first one is the headline's.
        part: ``val`` or ``test``.
    """
    runs = [read_run(Path(path)) for path in results["run"].unique(maintain_order=True)]
    labels = labels_of(runs)
    colors = colors_of(sorted({*labels.values()}))
    ranked = {
        (s.dataset, s.split): _ranked(results, s, metrics[0], part) for s in sheets
    }
    sections = [
        Section("Results", _results(sheets, ranked, metrics[0])),
        Section("Groups", _groups(results, sheets, ranked, metrics, part, colors)),
        Section("Training", _curves(runs, labels, colors)),
        Section("Swept settings", _sweeps(runs, results, metrics[0], part)),
        Section("Cost", [timings(runs, labels)]),
        Section("Settings", settings(runs)),
        Section("Environment", [environment(runs)]),
        Section(
            "Runs",
            [
                Fold(
                    f"All {len(runs)} runs" if len(runs) > 1 else "The run",
                    [all_runs(runs, labels, root)],
                )
            ],
        ),
    ]
    datasets = results["dataset"].unique(maintain_order=True).to_list()
    return Page(
        title=f"Results on {', '.join(datasets)}",
        facts={
            "runs": str(len(runs)),
            "models and settings": str(len({*labels.values()})),
            "splits": ", ".join(results["split"].unique(maintain_order=True)),
            "seeds": ", ".join(map(str, results["seed"].unique().sort())),
            "results": {"test": "test set", "val": "validation"}[part],
        },
        headline=[_lead(s, ranked[s.dataset, s.split], metrics[0]) for s in sheets],
        sections=[section for section in sections if section.blocks],
        warnings=remarks(results, part),
    )


def _ranked(
    results: pl.DataFrame, sheet: Sheet, metric: str, part: str
) -> pl.DataFrame:
    """Return the models of one sheet by their mean over domains, the best first."""
    table = aggregate(results, metrics=[metric], groups=["all"], part=part)
    own = table.filter(dataset=sheet.dataset, split=sheet.split, domain=AVERAGE)
    return own.sort("mean", descending=True, maintain_order=True)


def _lead(sheet: Sheet, ranked: pl.DataFrame, metric: str) -> str:
    """Return who leads in one sheet, and by how much."""
    place = f"{sheet.dataset}, split {sheet.split}"
    shown = [(r["label"], f"{r['mean']:.4f}", r["sd"]) for r in ranked.to_dicts()]
    if not shown:
        return f"{place}: no model has {metric} in every domain."
    if not sheet.comparable:
        return f"{place}. {OTHER_TASKS}"
    texts = [
        f"{label} with {mean}" + (f" ± {sd:.4f}" if sd is not None else "")
        for label, mean, sd in shown[:2]
    ]
    if len(shown) == 1:
        return f"{place}: {metric} is {texts[0].removeprefix(f'{shown[0][0]} with ')}."
    if shown[0][1] == shown[1][1]:
        return f"{place}: highest {metric} is a tie: {texts[0]}, {texts[1]}."
    return f"{place}: highest {metric} is {texts[0]}; second is {texts[1]}."


def _results(
    sheets: Sequence[Sheet], ranked: dict[tuple[str, str], pl.DataFrame], metric: str
) -> list[Block]:
    blocks: list[Block] = []
    for sheet in sheets:
        blocks.append(Heading(f"{sheet.dataset}, split {sheet.split}"))
        own = ranked[sheet.dataset, sheet.split]
        if len(own) > 1:
            blocks.append(_points(own, metric))
        caption = sheet.caption(underlined=True)
        several = any(
            row.seeds not in "-1" for t in sheet.tables for row in t.grid.rows
        )
        blocks.append(Text([caption, *([NOTE] if several else [])]))
        for table in sheet.tables:
            title = f"group {table.group}"
            blocks += [table_of_grid(title, table.grid)]
            blocks += [Text(table.notes)] if table.notes else []
    return blocks


def _points(ranked: pl.DataFrame, metric: str) -> Chart:
    rows = []
    for row in ranked.iter_rows(named=True):
        found = interval_of(row["mean"], row["sd"], row["seeds"])
        numbers = {"value": found.mean, "sd": found.sd}
        rows.append(
            {"label": row["label"], **numbers, "low": found.low, "high": found.high}
        )
    return points(
        f"{metric}, average over domains; a line is the 95 % interval over seeds",
        rows,
        name=metric,
    )


def _groups(
    results: pl.DataFrame,
    sheets: Sequence[Sheet],
    ranked: dict[tuple[str, str], pl.DataFrame],
    metrics: Sequence[str],
    part: str,
    colors: Mapping[str, str],
) -> list[Block]:
    blocks: list[Block] = []
    for sheet in sheets:
        mine = results.filter(dataset=sheet.dataset, split=sheet.split)
        best = ranked[sheet.dataset, sheet.split]["label"].to_list()
        found = group_blocks(mine, metrics=metrics, part=part, best=best, colors=colors)
        if found:
            title = Heading(f"{sheet.dataset}, split {sheet.split}, groups")
            blocks += [title, *found]
    return blocks


def _curves(
    runs: Sequence[Run], labels: Mapping[str, str], colors: Mapping[str, str]
) -> list[Block]:
    found = histories(runs)
    step = step_of(found)
    blocks: list[Block] = []
    for place in dict.fromkeys(family_of(history.run)[:2] for history in found):
        own = [history for history in found if family_of(history.run)[:2] == place]
        chart = validation(own, labels, colors=colors, step=step)
        if chart is not None:
            title = f"{place[0]}, split {place[1]}, validation"
            blocks += [Heading(title), chart]
    return blocks


def _sweeps(
    runs: Sequence[Run], results: pl.DataFrame, metric: str, part: str
) -> list[Block]:
    """Return heat maps of every data set, split and model with two swept settings."""
    rows = results.filter(part=part, group="all", metric=metric)
    values = dict(rows.group_by("run").agg(pl.col("value").mean()).iter_rows())
    settings_of = varied(runs)
    blocks: list[Block] = []
    for family in dict.fromkeys(map(family_of, runs)):
        own = [r for r in runs if family_of(r) == family and r.path in values]
        if not own:
            continue
        frame = pl.DataFrame(
            [{**settings_of[run.path], "value": values[run.path]} for run in own]
        )
        axes = [name for name in frame.columns if name != "value"]
        found = pairs_of_axes(frame, axes, name=f"{part} {metric}")
        if found:
            dataset, split, model = family
            blocks.append(Text([f"{model} on {dataset}, split {split}:"]))
            blocks += found
    return blocks
