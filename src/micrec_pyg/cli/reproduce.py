"""``micrec reproduce``: train and test every row of a preset, and tabulate them."""

import argparse
import logging
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from micrec_pyg.cli.picking import check_picking, run_picking
from micrec_pyg.cli.pool import Job, Outcome, describe, run_all
from micrec_pyg.cli.preset import Preset, preset_folder
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE, FAILED
from micrec_pyg.cli.studies.main import asked_of, listed, run_studies
from micrec_pyg.cli.studies.paper import pairs_of, run_paper
from micrec_pyg.cli.studies.study import Manifest
from micrec_pyg.cli.tabulate import results_of, tabulate
from micrec_pyg.cli.tuned import search_all
from micrec_pyg.report.check import differences, read_table
from micrec_pyg.report.figure import draw
from micrec_pyg.report.gain_figure import draw_gains
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

OPTIONS = ("preset", "output_dir", "jobs", "seeds", "splits", "studies")
"""May also be given as ``key=value``, as all other commands take their keys."""


def main(argv: list[str]) -> int:
    """Return 0 when every run of the preset is done and in the tables, else 1.

    Also 1 if ``--check`` finds a difference beyond its tolerance.

    Raises:
        InputError: An argument, or what the first run needs, cannot be used.
    """
    given = _parser().parse_intermixed_args(_as_flags(argv))
    command = shlex.join(["micrec", "reproduce", *argv])
    seeds = _seeds(given.seeds) if given.seeds else None
    workers = _count(given.jobs)
    manifest = Manifest.find(given.preset, preset_folder())
    pairs = pairs_of(given.preset, preset_folder())
    if given.picking and (manifest is not None or pairs is not None):
        check_picking(given.preset, ())
    if manifest is None and pairs is None:
        return _reproduce(given, seeds, workers, command)
    log_to_stderr()
    prepare()
    asked = asked_of(given, seeds=seeds, workers=workers, command=command)
    with _ends_workers():
        if manifest is not None:
            outcome = run_studies(manifest, asked)
        elif pairs is not None:
            outcome = run_paper(pairs, preset_folder(), asked)
    _tell_failed(outcome)
    return FAILED if outcome.errors else DONE


def _reproduce(
    given: argparse.Namespace, seeds: Sequence[int] | None, workers: int, command: str
) -> int:
    """Return the exit code of a preset that is one study."""
    preset = _preset(given)
    where = {"extra": given.overrides, "output_dir": given.output_dir}
    searches = preset.searches(**where)
    runs = partial(preset.jobs, seeds=seeds or preset.seeds, **where)
    expected = read_table(Path(given.check)) if given.check else None
    if given.picking:
        check_picking(given.preset, searches)
    if given.dry_run:
        for job in searches.values():
            argv = [*job.overrides, "--trials", str(preset.trials)]
            print(f"{job.name}: micrec tune {shlex.join(argv)}")
        for job in () if given.picking else runs():
            print(f"{job.name}: micrec train {shlex.join(job.overrides)}")
        return DONE
    log_to_stderr()
    prepare()
    if given.picking:
        return _picking(preset, searches, given, workers, command)
    with _ends_workers():
        todo, failed = _searched(preset, searches, runs, given, workers)
        outcome = run_all(todo, workers)
    outcome.errors.update(failed)
    held = True
    if outcome.folders:
        path = _path(given, ".md")
        facts = {
            "command": f"`{command}`",
            "runs": f"{len(outcome.folders)} of {len(todo)} done",
            "settings": " ".join(preset.settings(given.overrides)) or "the defaults",
        }
        _write(preset, results_of(todo, outcome.folders), path, facts)
        if expected is not None:
            found = differences(read_table(path.with_suffix(".csv")), expected)
            show(f"\nagainst {given.check}:\n{found}\n")
            held = not found.beyond
    _tell_failed(outcome)
    return DONE if held and not outcome.errors else FAILED


def _preset(given: argparse.Namespace) -> Preset:
    """Return the preset with the splits and trials that the command gives."""
    preset = Preset.read(given.preset)
    if splits := listed(given.splits, "splits"):
        preset = replace(preset, splits=[f"split={split}" for split in splits])
    if given.trials is None or not preset.trials:
        return preset
    tuning = f"{given.trials} trials in place of {preset.tuning}"
    return replace(preset, trials=given.trials, tuning=tuning)


def _searched(
    preset: Preset,
    searches: Mapping[tuple[str, str], Job],
    runs: Callable[..., list[Job]],
    given: argparse.Namespace,
    workers: int,
) -> tuple[list[Job], Mapping[Job, BaseException]]:
    """Return the runs with the settings that were searched, and what failed."""
    if not searches:
        return runs(), {}
    found, outcome = search_all(
        searches,
        trials=preset.trials,
        workers=workers,
        table=_path(given, "-tuned.csv"),
    )
    return runs(found=found), outcome.errors


def _picking(
    preset: Preset,
    searches: Mapping[tuple[str, str], Job],
    given: argparse.Namespace,
    workers: int,
    command: str,
) -> int:
    """Return the exit code of the study of picking by test, after the searches."""
    with _ends_workers():
        outcome = run_picking(
            preset,
            searches,
            workers=workers,
            tuned=_path(given, "-tuned.csv"),
            path=_path(given, "-picking.md"),
            facts={
                "command": f"`{command}`",
                "settings": " ".join(preset.settings(given.overrides)),
            },
        )
    _tell_failed(outcome)
    return FAILED if outcome.errors else DONE


def _path(given: argparse.Namespace, ending: str) -> Path:
    """Return the path of what a preset writes."""
    return Path(given.output_dir) / f"reproduce-{given.preset}{ending}"


def _write(
    preset: Preset, results: pl.DataFrame, path: Path, facts: Mapping[str, str]
) -> None:
    """Write the tables of a preset, and its picture if it has one."""
    tabulate(preset, results, path, facts)
    names = {row.label: row.label for row in preset.rows}
    if preset.picture:
        picture = path.with_suffix(".svg")
        draw(results, picture, panels=preset.picture, names=names)
        logger.info("drawn: %s", picture)
    if preset.gain_over:
        drawn = draw_gains(
            results,
            path.with_name(f"{path.stem}-gain"),
            metric=preset.metrics[0],
            reference=preset.gain_over,
            labels=[*names],
        )
        logger.info("drawn: %s and %s", *drawn)


@contextmanager
def _ends_workers() -> Iterator[None]:
    """Let a terminated command end its workers, as an interrupted one does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
    """Return the arguments with ``preset=quick`` written as ``--preset=quick``.

    ``DATA=`` is another spelling of ``data=``, for those who come from make.
    """
    return [
        f"--{key.replace('_', '-')}={value}" if key in OPTIONS and equals else argument
        for argument in (re.sub("^DATA=", "data=", each) for each in argv)
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
        "--trials",
        type=_trials,
        metavar="N",
        help="of each search of a preset that searches; more continue it later",
    )
    parser.add_argument(
        "--splits", metavar="random,new_nodes", help="in place of the preset's"
    )
    parser.add_argument(
        "--studies",
        metavar="main,ablations",
        help="of a preset of several studies, these alone",
    )
    parser.add_argument(
        "--picking",
        action="store_true",
        help="of a preset that searches: in place of its runs, test every complete "
        "trial, and tell what picking settings by the test set would have bought",
    )
    parser.add_argument(
        "--check",
        metavar="FILE",
        help="CSV of an earlier reproduction, such as docs/tables/quick.csv; exit code "
        "1 if a cell differs by more than another kind of CPU explains",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the runs, no more")
    return parser


def _trials(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number of 1 or more")
    return int(text)


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
