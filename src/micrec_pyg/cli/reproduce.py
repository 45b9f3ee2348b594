"""``micrec reproduce``: train and test every row of a preset, and tabulate them."""

import argparse
import logging
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from micrec_pyg.cli.config_errors import options
from micrec_pyg.cli.job_checks import check_jobs
from micrec_pyg.cli.picking import check_picking, run_picking
from micrec_pyg.cli.pool import Job, Outcome, describe, run_all
from micrec_pyg.cli.preset import Preset, preset_folder
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.reproduce_options import count_of, parse, seeds_of
from micrec_pyg.cli.sentences import DONE, FAILED
from micrec_pyg.cli.studies.main import asked_of, listed, run_studies
from micrec_pyg.cli.studies.paper import pairs_of, run_paper
from micrec_pyg.cli.studies.study import Manifest
from micrec_pyg.cli.tabulate import results_of, tabulate
from micrec_pyg.cli.tuned import EXPERIMENT, file_names, save_experiments, search_all
from micrec_pyg.cli.tuned_table import Known, Place, check_tuned, known_of, settings_of
from micrec_pyg.report.check import differences, read_table
from micrec_pyg.report.figure import NothingToDrawError, draw
from micrec_pyg.report.gain_figure import draw_gains
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Return 0 when every run and every page of the preset is done, else 1.

    Also 1 if ``--check`` finds a difference beyond its tolerance.

    Raises:
        InputError: An argument, or what the first run needs, cannot be used.
    """
    given = parse(argv)
    command = shlex.join(["micrec", "reproduce", *argv])
    seeds = None if given.seeds is None else seeds_of(given.seeds)
    workers = count_of(given.jobs)
    manifest = Manifest.find(given.preset, preset_folder())
    pairs = pairs_of(given.preset, preset_folder())
    if manifest is None and pairs is None:
        return _reproduce(given, seeds, workers, command)
    _known(given, {})
    if given.check:
        raise InputError(
            f"--check {given.check}: the preset {given.preset} has a table per study; "
            "give a preset of one table, such as quick"
        )
    log_to_stderr()
    prepare()
    asked = asked_of(given, seeds=seeds, workers=workers, command=command)
    with _ends_workers():
        if manifest is not None:
            outcome = run_studies(manifest, asked)
        elif pairs is not None:
            outcome = run_paper(pairs, preset_folder(), asked)
    _tell_failed(outcome)
    return FAILED if outcome.errors or outcome.unwritten else DONE


def _reproduce(
    given: argparse.Namespace, seeds: Sequence[int] | None, workers: int, command: str
) -> int:
    """Return the exit code of a preset that is one study."""
    preset = _preset(given)
    where = {"extra": given.overrides, "output_dir": given.output_dir}
    searches = preset.searches(**where)
    runs = partial(preset.jobs, seeds=seeds or preset.seeds, **where)
    expected = read_table(Path(given.check)) if given.check else None
    known = _known(given, searches)
    every = [job for place, job in searches.items() if place not in known.taken]
    if not given.picking:
        asked = {**dict.fromkeys(searches, ()), **settings_of(known.taken)}
        every += runs(found=asked or None)
    check_jobs(every, preset.metrics)
    if given.dry_run:
        print(*(f"{job.name}: {job.command}" for job in every), sep="\n")
        return DONE
    log_to_stderr()
    prepare()
    if given.picking:
        return _picking(preset, searches, given, workers, command)
    with _ends_workers():
        own = preset.searched(**where)
        todo, failed = _searched(searches, own, runs, given, workers, known)
        outcome = run_all(todo, workers)
    outcome.errors.update(failed)
    held = True
    path = _path(given, ".md")
    facts = {
        "command": f"`{command}`",
        "runs": f"{len(outcome.folders)} of {len(todo)} done",
        "settings": " ".join(preset.settings(given.overrides)) or "the defaults",
    }
    try:
        if outcome.folders:
            _write(preset, results_of(todo, outcome.folders), path, facts)
        if outcome.folders and expected is not None:
            found = differences(read_table(path.with_suffix(".csv")), expected)
            show(f"\nagainst {given.check}:\n{found}\n")
            held = not found.beyond
    finally:
        _tell_failed(outcome)
    return DONE if held and not outcome.errors else FAILED


def _preset(given: argparse.Namespace) -> Preset:
    """Return the preset with the splits and trials that the command gives."""
    preset = Preset.read(given.preset)
    if given.studies is not None:
        raise InputError(
            f"--studies {given.studies}: the preset {preset.name} is one study; give "
            "--preset pair with it"
        )
    if given.trials is not None and not preset.trials:
        raise InputError(
            f"--trials {given.trials}: the preset {preset.name} searches nothing; "
            "micrec tune searches the settings of one model"
        )
    splits = listed(given.splits, "splits")
    _check_splits(splits or ())
    preset = preset.changed(
        given.overrides, splits and [f"split={split}" for split in splits]
    )
    if given.trials is None:
        return preset
    tuning = f"{given.trials} trials in place of {preset.tuning}"
    return replace(preset, trials=given.trials, tuning=tuning)


def _check_splits(names: Sequence[str]) -> None:
    """Refuse the name of a split that there is not, before runs of others are made."""
    valid = options(conf_dir())["split"]
    if unknown := [name for name in names if name not in valid]:
        raise InputError(
            f"--splits {','.join(unknown)}: give any of {', '.join(valid)}"
        )


def _known(given: argparse.Namespace, searches: Mapping[Place, Job]) -> Known:
    """Return what is known of the searches before any of them.

    Raises:
        InputError: What concerns searches was given and has no use, or the file of
            ``--tuned`` cannot be used; or two rows have no names of their own.
    """
    file_names(label for label, _ in searches)
    if given.tuned is not None:
        check_tuned(given.tuned, given.preset, searches, picking=given.picking)
    if given.picking:
        check_picking(given.preset, searches)
    return Known() if given.tuned is None else known_of(Path(given.tuned), searches)


def _searched(
    searches: Mapping[Place, Job],
    own: Mapping[Place, Job],
    runs: Callable[..., list[Job]],
    given: argparse.Namespace,
    workers: int,
    known: Known,
) -> tuple[list[Job], Mapping[Job, BaseException]]:
    """Return the runs with the settings that were searched, and what failed."""
    if not searches:
        return runs(), {}
    found, outcome = search_all(
        searches, workers=workers, table=_path(given, "-tuned.csv"), known=known
    )
    folder = Path(given.output_dir) / EXPERIMENT / given.preset
    save_experiments(folder, own, found)
    return runs(found=settings_of(found)), outcome.errors


def _picking(
    preset: Preset,
    searches: Mapping[Place, Job],
    given: argparse.Namespace,
    workers: int,
    command: str,
) -> int:
    """Return the exit code of the study of picking by test, after the searches."""
    with _ends_workers():
        searched, tested = run_picking(
            preset,
            searches,
            workers=workers,
            tuned=_path(given, "-tuned.csv"),
            path=_path(given, "-picking.md"),
            facts={
                "command": f"`{command}`",
                "settings": " ".join(preset.of_searches().settings(given.overrides)),
            },
        )
    _tell_failed(searched)
    _tell_failed(tested, again=command)
    return FAILED if searched.errors or tested.errors else DONE


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
        try:
            draw(results, picture, panels=preset.picture, names=names)
            logger.info("drawn: %s", picture)
        except NothingToDrawError as error:  # other splits than those of its panels
            logger.warning("not drawn: %s", error)
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


def _tell_failed(outcome: Outcome, *, again: str | None = None) -> None:
    """Say what failed, why, and how to repeat each alone, or all by a command."""
    for job, error in outcome.errors.items():
        how = f"alone: {job.command}" if again is None else f"again: {again}"
        logger.error("failed: %s: %s\n  %s", job.name, describe(error), how)
    for what in outcome.unwritten:
        logger.error("not written: %s", what)
