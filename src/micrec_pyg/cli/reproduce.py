"""``micrec reproduce``: train and test every row of a preset, and tabulate them."""

import argparse
import logging
import os
import platform
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.cli.pool import Job, Outcome, describe, run_all
from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE, FAILED
from micrec_pyg.report.check import differences, read_table
from micrec_pyg.report.collect import collect_runs
from micrec_pyg.report.figure import draw
from micrec_pyg.report.tables import as_markdown, overview, sheets, write
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

ALPHA = 0.05
"""Level of the marks of significance in the tables."""

OPTIONS = ("preset", "output_dir", "jobs", "seeds")
"""May also be given as ``key=value``, as all other commands take their keys."""


def main(argv: list[str]) -> int:
    """Return 0 when every run of the preset is done and in the tables, else 1.

    Also 1 if ``--check`` finds a difference beyond its tolerance.

    Raises:
        InputError: An argument, or what the first run needs, cannot be used.
    """
    given = _parser().parse_args(_as_flags(argv))
    preset = Preset.read(given.preset)
    todo = preset.jobs(
        seeds=_seeds(given.seeds) if given.seeds else preset.seeds,
        extra=given.overrides,
        output_dir=given.output_dir,
    )
    workers = _count(given.jobs)
    expected = read_table(Path(given.check)) if given.check else None
    if given.dry_run:
        for job in todo:
            print(f"{job.name}: micrec train {shlex.join(job.overrides)}")
        return 0
    log_to_stderr()
    prepare()
    # a terminated command ends its workers, as an interrupted one does
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcome = run_all(todo, workers)
    finally:
        signal.signal(signal.SIGTERM, before)
    held = True
    if outcome.folders:
        path = Path(given.output_dir) / f"reproduce-{given.preset}.md"
        facts = {
            "command": f"`{shlex.join(['micrec', 'reproduce', *argv])}`",
            "runs": f"{len(outcome.folders)} of {len(todo)} done",
            "settings": " ".join(preset.settings(given.overrides)) or "the defaults",
        }
        _tabulate(preset, todo, outcome, path, facts)
        if expected is not None:
            found = differences(read_table(path.with_suffix(".csv")), expected)
            show(f"\nagainst {given.check}:\n{found}\n")
            held = not found.beyond
    _tell_failed(outcome)
    return DONE if held and not outcome.errors else FAILED


def _tell_failed(outcome: Outcome) -> None:
    """Say which runs failed, why, and how to repeat each alone."""
    for job, error in outcome.errors.items():
        logger.error(
            "failed: %s: %s\n  alone: micrec train %s",
            job.name,
            describe(error),
            shlex.join(job.overrides),
        )


def _as_flags(argv: Sequence[str]) -> list[str]:
    """Return the arguments with ``preset=quick`` written as ``--preset=quick``."""
    return [
        f"--{key.replace('_', '-')}={value}" if key in OPTIONS and equals else argument
        for argument in argv
        for key, equals, value in [argument.partition("=")]
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="micrec reproduce",
        description="Train and test the models and ablations of a preset, then print "
        "and write their table. Interrupted, the same command continues.",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="settings of every run, such as fit.max_epochs=10",
    )
    parser.add_argument("--preset", default="quick", help="conf/reproduce/<name>.yaml")
    parser.add_argument("--output-dir", default="outputs", metavar="DIR")
    parser.add_argument(
        "--jobs",
        default=str(_cores()),
        metavar="N",
        help="runs at a time, one thread each (default: the number of cores)",
    )
    parser.add_argument("--seeds", metavar="0,1,2", help="of the runs")
    parser.add_argument(
        "--check",
        metavar="FILE",
        help="CSV of an earlier reproduction, such as docs/tables/quick.csv; exit code "
        "1 if a cell differs by more than another kind of CPU explains",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the runs, no more")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"--jobs {text} was given; give a number such as 2")
    return int(text)


def _seeds(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts) or len({*parts}) < len(parts):
        raise InputError(f"--seeds {text} was given; give different ones, such as 0,1")
    return [int(part) for part in parts]


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tabulate(
    preset: Preset,
    todo: Sequence[Job],
    outcome: Outcome,
    path: Path,
    facts: Mapping[str, str],
) -> None:
    """Print the summary, and write it with the tables of every group."""
    # in the order of the preset, not in that of finishing
    done = {
        str(outcome.folders[job]): job.label for job in todo if job in outcome.folders
    }
    results = collect_runs(done)
    # tables stand in the order of the preset's rows
    names = {row.label: row.label for row in preset.rows}
    parts = [
        results.filter(split=split)
        for split in results["split"].unique(maintain_order=True)
    ]
    head = _head(preset, results, facts)
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
        text="\n".join([summary, "# Every group\n", *details]),
    )
    show(summary)
    logger.info("written: %s and %s", *pages)
    if preset.picture:
        picture = path.with_suffix(".svg")
        draw(results, picture, panels=preset.picture, names=names)
        logger.info("drawn: %s", picture)


def _head(preset: Preset, results: pl.DataFrame, facts: Mapping[str, str]) -> str:
    """Return the protocol in words: what must be known to read the tables."""
    seeds = ", ".join(map(str, results["seed"].unique().sort().to_list()))
    all_facts = {
        **facts,
        "data": ", ".join(results["dataset"].unique().sort().to_list()),
        "splits": ", ".join(results["split"].unique(maintain_order=True).to_list()),
        "seeds": f"{seeds} (of the split and of the model)",
        "tuning": preset.tuning,
        "selection": "the epoch with the best validation NDCG@20",
        "test": "evaluated once per run, after training",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}",
    }
    lines = [f"- {key}: {value}" for key, value in all_facts.items()]
    return "\n".join([f"# {preset.title}\n", *lines, ""])


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


def _groups(preset: Preset, part: pl.DataFrame) -> list[str]:
    """Return the groups of this split; where no node is new, old ones are all."""
    found = set(part.filter(part="test")["group"])
    if not any(group.startswith("new_") for group in found):
        found = {group for group in found if not group.startswith("old_")}
    return [group for group in preset.groups if group in found]
