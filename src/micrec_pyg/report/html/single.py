"""The page of one run: its curves, its groups, its settings."""

import shlex
from pathlib import Path

import polars as pl

from micrec_pyg.report.html.blocks import (
    Block,
    Fold,
    Page,
    Section,
    Text,
    table_of_texts,
)
from micrec_pyg.report.html.charts import colors_of
from micrec_pyg.report.html.costs import environment, settings_as_written, timings
from micrec_pyg.report.html.examples import example_blocks
from micrec_pyg.report.html.groups import group_blocks
from micrec_pyg.report.html.histories import histories, of_one_run
from micrec_pyg.runs.grids import FEW_NOTE, grids
from micrec_pyg.runs.identity import sweep_axes
from micrec_pyg.runs.read import Run, family_of


def run_page(
    run: Run,
    results: pl.DataFrame,
    *,
    metrics: list[str],
    part: str,
    examples: pl.DataFrame | None = None,
) -> Page:
    """Return the page of one run.

    Args:
        run: The run.
        results: As ``collect`` returns it, of this run.
        metrics: Of the headline and the bars.
        part: ``val`` or ``test``, what the bars show.
        examples: What some people have and are given; see ``example_blocks``.
    """
    dataset, split, model = family_of(run)
    curves: list[Block] = [c for h in histories([run]) for c in of_one_run(h)]
    sections = [
        Section("Results", [*_tables(run, "test"), *_tables(run, "val")]),
        Section("Groups", _bars(results, metrics, part, model)),
        Section("Examples", [] if examples is None else example_blocks(examples)),
        Section("Training", curves),
        Section("Cost", [timings([run], {run.path: model})]),
        Section("Settings", _settings(run)),
        Section("Environment", [environment([run])]),
    ]
    facts = {
        "data set": dataset,
        "split": split,
        "model": model,
        "seed": str(run.seed),
        **{axis: f"{value}" for axis, value in sweep_axes(run.config).items()},
        **_epochs(run),
        "device": str(run.record.get("device")),
    }
    return Page(
        title=f"{model} on {dataset}",
        facts={key: fact for key, fact in facts.items() if "None" not in fact},
        headline=_headline(run, metrics, part),
        sections=[section for section in sections if section.blocks],
        warnings=_warnings(run),
    )


def _epochs(run: Run) -> dict[str, str]:
    """Return which epoch of how many was kept, by what the fact is called."""
    best, epochs = run.record.get("best_epoch"), run.record.get("epochs")
    if run.config.get("model", {}).get("weights") == {}:
        return {"epochs": "none, the model has no loss to train with"}
    if epochs == 0:
        return {"epochs": "0, the start values were kept"}
    cut = ", where fit.max_epochs ended it" if run.was_cut else ""
    return {"best epoch": "None" if best is None else f"{best + 1} of {epochs}{cut}"}


def _headline(run: Run, metrics: list[str], part: str) -> list[str]:
    name = {"test": "Test", "val": "Validation"}[part]
    lines = []
    for domain, groups in run.record.get(part, {}).items():
        own = groups.get("all", {})
        values = [f"{metric} {own[metric]:.4f}" for metric in metrics if metric in own]
        lines.append(f"{name}, {domain}: {', '.join(values)}")
    return lines


def _warnings(run: Run) -> list[str]:
    found = []
    if "test" not in run.record:
        path = shlex.quote(str(run.path))
        found.append(f"There are no test results; micrec evaluate {path}")
    if (count := run.record.get("test_evaluations", 0)) > 1:
        found.append(f"The test set was opened {count} times for this run.")
    return found


def _tables(run: Run, part: str) -> list[Block]:
    """Return the results of every group, as they stand in the run card."""
    name = {"test": "Test", "val": "Validation"}[part]
    blocks: list[Block] = []
    for title, grid in zip(
        ("accuracy", "what the lists are like"),
        grids(run.record.get(part, {})),
        strict=False,
    ):
        rows = [["domain and group", *grid[0][2:]]]
        rows += [[f"{domain} {group}", *cells] for domain, group, *cells in grid[1:]]
        table = table_of_texts(f"{name}: {title}", rows)
        blocks.append(table if title == "accuracy" else Fold(table.caption, [table]))
        if any("‡" in cell for row in grid for cell in row):
            blocks.append(Text([FEW_NOTE]))
    return blocks


def _bars(
    results: pl.DataFrame, metrics: list[str], part: str, model: str
) -> list[Block]:
    """Return the bars alone: the tables of the results have the numbers."""
    own = results.with_columns(label=pl.lit(model))
    colors = colors_of([model])
    found = group_blocks(own, metrics=metrics, part=part, best=[model], colors=colors)
    return found[:-1]


def _settings(run: Run) -> list[Block]:
    blocks: list[Block] = []
    path = Path(run.path, "config.yaml")
    blocks.append(settings_as_written(path.read_text(encoding="utf-8")))
    digests = run.record.get("data") or {}
    if digests:
        rows = [["domain", "digest of the data"], *map(list, digests.items())]
        blocks.append(Fold("Data", [table_of_texts("Data", rows)]))
    return blocks
