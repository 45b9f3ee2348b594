"""The tables and the picture of a preset's runs."""

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.process import show
from micrec_pyg.report.collect import collect_runs
from micrec_pyg.report.costs import costs_table
from micrec_pyg.report.latex import titled
from micrec_pyg.report.tables import as_markdown, overview, sheets, write
from micrec_pyg.runs.identity import unread_keys
from micrec_pyg.runs.read import Run, read_run

logger = logging.getLogger(__name__)

ALPHA = 0.05
"""Level of the marks of significance in the tables."""


def results_of(todo: Sequence[Job], folders: Mapping[Job, Path]) -> pl.DataFrame:
    """Return the results of finished jobs as ``collect`` does, by label.

    Jobs of two labels that are one run have the same results under both.

    Args:
        todo: In the order of the preset, which is not that of finishing.
        folders: Run folder of every finished job.
    """
    return collect_runs([(folders[job], job.label) for job in todo if job in folders])


def tabulate(
    preset: Preset, results: pl.DataFrame, path: Path, facts: Mapping[str, str]
) -> None:
    """Print the summary, and write it with the tables of every group.

    Args:
        preset: Says which tables.
        results: As ``results_of`` returns them.
        path: The Markdown file; the CSV lies beside it.
        facts: Lines above the tables, by what they say.
    """
    # tables stand in the order of the preset's rows
    names = {row.label: row.label for row in preset.rows}
    parts = [
        results.filter(split=split)
        for split in results["split"].unique(maintain_order=True)
    ]
    paths = results["run"].unique(maintain_order=True)
    runs = {path: read_run(Path(path)) for path in paths}
    head = _head(preset, results, facts, [*runs.values()])
    summary = "\n".join([head, *(_summary(preset, part, names) for part in parts)])
    details = [
        _tables(preset, part, names, groups=_groups(preset, part)) for part in parts
    ]
    pages = write(
        results,
        path,
        metrics=preset.metrics,
        groups=["all", *preset.groups],
        names=names,
        text="\n".join(
            [summary, "# Every group\n", *details, *_costs(preset, parts, runs)]
        ),
    )
    show(summary)
    logger.info("written: %s and %s", *pages)


def _head(
    preset: Preset,
    results: pl.DataFrame,
    facts: Mapping[str, str],
    runs: Sequence[Run],
) -> str:
    """Return the protocol in words: what must be known to read the tables."""
    seeds = ", ".join(map(str, results["seed"].unique().sort().to_list()))
    all_facts = {
        **facts,
        "data": ", ".join(results["dataset"].unique().sort().to_list()),
        "splits": ", ".join(results["split"].unique(maintain_order=True).to_list()),
        "seeds": f"{seeds} ({_seeded(runs)})",
        "tuning": preset.tuning,
        "selection": _selected(runs),
        "test": _tested(runs),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}",
    }
    lines = [f"- {key}: {value}" for key, value in all_facts.items()]
    return "\n".join([f"# {preset.title}\n", *lines, ""])


def _seeded(runs: Sequence[Run]) -> str:
    """Return what the seeds are of: some splits draw nothing, or have their own."""
    drawn = sum(run.config["split"].get("seed") == run.seed for run in runs)
    if drawn in (0, len(runs)):
        return "of the split and of the model" if drawn else "of the model"
    return f"of the model; of the split too in {drawn} of {len(runs)} runs"


def _selected(runs: Sequence[Run]) -> str:
    """Return which epoch was tested; what trains nothing has none."""
    trained = [
        run
        for run in runs
        if run.config["fit"]["max_epochs"]
        and not unread_keys(run.config, ["fit.metric"])
    ]
    ways = dict.fromkeys(_way(run.config["fit"]) for run in trained)
    cut = sum(run.was_cut for run in trained)
    ended = f"; {cut} of {len(trained)} runs ended at fit.max_epochs" if cut else ""
    return ("; or ".join(ways) or "none, as nothing is trained") + ended


def _way(fit: Mapping[str, Any]) -> str:
    """Return which epoch these settings of training select."""
    every = fit.get("eval_every", 1)
    if every >= fit["max_epochs"]:
        return "the last epoch"
    often = "" if every == 1 else f", of every {every} and the last"
    return f"the epoch with the best validation {titled(fit['metric'])}{often}"


def _tested(runs: Sequence[Run]) -> str:
    """Return how often the test set was opened: more often after an interruption."""
    again = sum(run.record.get("test_evaluations", 1) > 1 for run in runs)
    text = "evaluated once per run, after training"
    return f"{text}; {again} of {len(runs)} runs more often" if again else text


def _summary(preset: Preset, part: pl.DataFrame, names: Mapping[str, str]) -> str:
    """Return the main table of one split and the one of its groups."""
    main_table = _tables(preset, part, names, groups=["all"])
    metric, groups = preset.metrics[0], _groups(preset, part)
    if not groups:
        return main_table
    table = overview(part, metric=metric, groups=groups, names=names).markdown()
    return f"{main_table}\n### groups, {metric}, average over domains\n\n{table}"


def _tables(
    preset: Preset, part: pl.DataFrame, names: Mapping[str, str], groups: Sequence[str]
) -> str:
    """Return the tables of some groups of one split."""
    found = sheets(
        part,
        metrics=preset.metrics,
        groups=groups,
        tuning=preset.tuning,
        names=names,
        alpha=ALPHA,
    )
    return as_markdown(found)


def _costs(
    preset: Preset, parts: Sequence[pl.DataFrame], runs: Mapping[str, Run]
) -> list[str]:
    """Return what the runs of each row took, a table per split."""
    lines = ["# Time and memory", "", "Mean ± standard deviation over the runs."]
    for part in parts:
        pairs = part.select("label", "run").unique(maintain_order=True).rows()
        own: dict[str, list[Run]] = {row.label: [] for row in preset.rows}
        for label, path in pairs:
            own[label].append(runs[path])
        found = {label: each for label, each in own.items() if each}
        lines += ["", f"## split {part['split'][0]}", "", costs_table(found)]
    return [*lines, ""]


def _groups(preset: Preset, part: pl.DataFrame) -> list[str]:
    """Return the groups of this split; where no node is new, old ones are all."""
    found = set(part.filter(part="test")["group"])
    if not any(group.startswith("new_") for group in found):
        found = {group for group in found if not group.startswith("old_")}
    return [group for group in preset.groups if group in found]
