"""``--preset paper``: all studies on several pairs of categories, from raw files."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from micrec_pyg.cli import report, tune
from micrec_pyg.cli.data import fetch
from micrec_pyg.cli.pool import Outcome
from micrec_pyg.cli.process import show
from micrec_pyg.cli.studies.main import Asked, run_studies
from micrec_pyg.cli.studies.study import Manifest
from micrec_pyg.durations import duration
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

logger = logging.getLogger(__name__)

ROW_BYTES = 40
"""Of a rating in a raw file: what the number of ratings is guessed by."""
SPEED = 10e6
"""Bytes per second of a download, for the time that a dry run prints."""


def pairs_of(name: str, folder: Path) -> Mapping[str, Any] | None:
    """Return what a preset of several pairs says; None if it is none.

    Args:
        name: Of the preset.
        folder: Of all presets.
    """
    path = folder / f"{name}.yaml"
    values: Mapping[str, Any] = read_yaml(path) if path.is_file() else {}
    return values if "pairs" in values else None


def run_paper(values: Mapping[str, Any], folder: Path, asked: Asked) -> Outcome:
    """Return what became of all runs of all pairs; of a dry run, nothing.

    Args:
        values: What the preset says.
        folder: Of all presets.
        asked: What the command line says.

    Raises:
        InputError: A setting cannot be used.
    """
    manifest = Manifest.find(values["preset"], folder)
    if manifest is None:
        raise InputError(f"preset={values['preset']}: a preset of studies is needed")
    extra = [*values["overrides"], f"pair={values['pairs'][0]}", *asked.extra]
    manifest.drafts(names=asked.names, splits=asked.splits, extra=extra)
    every = Outcome()
    for pair in values["pairs"]:
        try:
            _run_pair(values, pair, manifest, asked, every)
        except InputError as error:  # the other pairs may have their files
            every.unwritten.append(f"pair={pair}: {error}")
            logger.error("pair=%s ended, the others go on: %s", pair, error)
    return every


def _run_pair(
    values: Mapping[str, Any],
    pair: str,
    manifest: Manifest,
    asked: Asked,
    every: Outcome,
) -> None:
    """Take all steps of one pair, and add what became of its runs to ``every``."""
    common = [*values["overrides"], f"pair={pair}", *asked.extra]
    data = [each for each in common if each.startswith(("data", "pair="))]
    if asked.dry_run:
        show(_steps(values, pair, data, common, asked))
        return
    fetch.main(list(data))
    tuned = {
        model: _tuned(model, common, values["trials"], asked)
        for model in values["tune"]
    }
    tuning = values["tuning"].format(trials=values["trials"])
    own = {**manifest.values, "tuned": tuned, "tuning": tuning}
    own["overrides"] = [*values["overrides"], f"pair={pair}"]
    outcome = run_studies(replace(manifest, values=own), asked)
    every.folders.update(outcome.folders)
    every.errors.update(outcome.errors)
    every.unwritten += [f"pair={pair}, {each}" for each in outcome.unwritten]
    _report(outcome)


def _tuned(
    model: str, common: Sequence[str], trials: int, asked: Asked
) -> Sequence[str]:
    """Return the best settings of a model by validation; a finished search is read."""
    argv = _search(model, common, trials, asked)
    best = tune.search(argv).best
    return [each for each in best if each not in argv]


def _search(model: str, common: Sequence[str], trials: int, asked: Asked) -> list[str]:
    settings = [f"model={model}", *common, f"output_dir={asked.output_dir}"]
    return [*settings, "--trials", str(trials), "--jobs", str(max(1, asked.workers))]


def _report(outcome: Outcome) -> None:
    """Write the tables and pictures of all runs of one pair."""
    folders = list(outcome.folders.values())
    if folders:
        # of <output_dir>/<dataset>/<model>/<run>
        report.main([str(folders[0].parents[1]), "--latex", "--figures"])


def _steps(
    values: Mapping[str, Any],
    pair: str,
    data: Sequence[str],
    common: Sequence[str],
    asked: Asked,
) -> str:
    """Return the steps of one pair in words, with sizes and times as far as known."""
    table, size, ratings = _sizes(data)
    trials = len(values["tune"]) * values["trials"]
    output = shlex.quote(str(asked.output_dir))
    lines = [
        f"# {pair}",
        f"1. fetch: micrec data fetch {shlex.join(data)}",
        table.rstrip(),
        f"   about {duration(size / SPEED)} at {SPEED / 1e6:.0f} MB/s",
        f"2. read and encode: at the first run; at most {ratings:,} ratings, "
        "before the filters",
        f"3. tune: {trials} trials, by validation alone",
    ]
    for model in values["tune"]:
        argv = _search(model, common, values["trials"], asked)
        lines.append(f"   micrec tune {shlex.join(argv)}")
    lines += [
        f"4. train and test: the studies of --preset {values['preset']}, whose runs, "
        "time and disk are printed when the data is there and before any of them",
        f"5. report: micrec report {output} --latex --figures",
        "",
    ]
    return "\n".join(lines)


def _sizes(data: Sequence[str]) -> tuple[str, int, int]:
    """Return the table of the files, the bytes to fetch, and the ratings at most."""
    try:
        left, table = fetch.sizes(list(data))
    except (InputError, OSError) as error:
        return f"   sizes are not known: {error}", 0, 0
    sizes = {remote.url: size or 0 for remote, size in left.items()}
    ratings = sum(size for url, size in sizes.items() if url.endswith(".csv"))
    return table, sum(sizes.values()), ratings // ROW_BYTES
