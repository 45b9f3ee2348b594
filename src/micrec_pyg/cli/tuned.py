"""Settings that a search found: for the rows of a preset, and as a file to keep."""

import logging
import re
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml
from omegaconf import OmegaConf

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.pool import Job, Outcome, Result, run_all
from micrec_pyg.cli.tuned_table import (
    Facts,
    Known,
    Place,
    given_of,
    is_personal,
    write_searches,
)
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.files import read_json
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_json, write_text

if TYPE_CHECKING:
    from micrec_pyg.cli.tune_study import Outcome as Found
    from micrec_pyg.cli.tune_trials import Plan

logger = logging.getLogger(__name__)

BEST, TRIALS = "best.json", "trials.csv"
"""Of a search: what it came to, and a row per trial."""

SEED = 0
"""Of the searches of a preset."""

EXPERIMENT = "experiment"
"""The group that such a file is an option of."""


def save(plan: "Plan", found: "Found") -> None:
    """Write what a search came to into its folder.

    ``trials.csv`` has a row per trial, ``best.txt`` the command, ``best.yaml`` the same
    as an experiment of ``conf/experiment``.
    """
    best = found.trials.filter(state="complete").sort(plan.metric, descending=True)
    value = float(best[plan.metric][0])
    note = _note(found.trials.height, plan.seed, plan.metric, value)
    own = found.best[len(found.best) - len(plan.space) :]
    facts = {
        "settings": list(own),
        "trials": found.trials.height,
        "value": value,
        "seconds": sum(found.trials["seconds"].drop_nulls().to_list()),
    }
    write_text(plan.folder / TRIALS, found.trials.write_csv())
    command = shlex.join(["micrec", "train", *found.best])
    write_text(plan.folder / "best.txt", f"{command}\n")
    write_text(plan.folder / "best.yaml", as_experiment(found.best, note))
    write_json(plan.folder / BEST, facts)


def _note(trials: int, seed: int, metric: str, value: float) -> str:
    """Return in a line what found some settings."""
    how = f"{trials} trials, seed {seed} of the search"
    return f"{how}: validation {metric} {value:.4f}"


def as_experiment(overrides: Sequence[str], note: str) -> str:
    """Return settings as a file of ``conf/experiment``: ``experiment=NAME`` takes them.

    Places of files and the seed are left out: they belong to who uses it. Another
    experiment among the settings is what the file builds on.

    Args:
        overrides: ``key=value``; the last of one key counts.
        note: Its first line.
    """
    groups = {path.name for path in conf_dir().iterdir() if path.is_dir()}
    base: list[str] = []
    defaults: list[dict[str, str]] = []
    values: list[str] = []
    for override in (each.lstrip("+") for each in overrides):
        key, _, text = override.partition("=")
        if key == EXPERIMENT:  # Hydra lets none choose another one
            base = [] if text == "null" else [f"/{EXPERIMENT}/{text}"]
        elif key in groups:
            defaults.append({f"override /{key}": text})
        elif not is_personal(key):
            values.append(override)
    lines = ["# @package _global_", f"# {note}"]
    # as Hydra reads values: YAML alone takes 1e-05 for a text
    tree = OmegaConf.to_container(OmegaConf.from_dotlist(values))
    content = {"defaults": [*base, *defaults, "_self_"], **cast(dict[str, Any], tree)}
    return "\n".join([*lines, yaml.safe_dump(content, sort_keys=False)])


def search(job: Job) -> Result:
    """Return the folder of a search, done as far as its trials go, and its seconds."""
    from micrec_pyg.cli.tune import plan_of
    from micrec_pyg.cli.tune_study import run_plan

    begin = time.perf_counter()
    plan = plan_of(job.overrides, trials=job.trials, seed=SEED)
    save(plan, run_plan(plan, jobs=1))
    took = float(read_json(plan.folder / BEST)["seconds"])
    return plan.folder, max(time.perf_counter() - begin, took)


def search_all(
    searches: Mapping[Place, Job],
    *,
    workers: int,
    table: Path,
    known: Known | None = None,
) -> tuple[Mapping[Place, Facts], Outcome]:
    """Return what each search came to, and the searches that failed.

    A search that has all its trials is only read.

    Args:
        searches: By label and split.
        workers: Searches at a time, in one thread each.
        table: Where a row per search is written as it ends, as CSV; rows of other
            searches that are there stay.
        known: Searches that are taken as they stand.

    Raises:
        InputError: The table that is there cannot be read.
    """
    known = known or Known()
    rows = known.before(table)
    places = {job: place for place, job in searches.items() if place not in known.taken}

    def keep() -> None:
        order = dict.fromkeys([*searches, *rows])
        write_searches(table, {place: rows[place] for place in order if place in rows})

    def told(job: Job, result: Result) -> None:
        facts = read_json(result[0] / BEST)
        rows[places[job]] = {**facts, "given": given_of(job)}
        keep()

    outcome = Outcome()
    if known.path is not None:
        logger.info("%s", known.told(searches.keys()))
    if known.taken:
        keep()
    if places:
        trials = next(iter(places)).trials
        logger.info("%d searches of %d trials each", len(places), trials)
        outcome = run_all(list(places), workers, told, work=search)
    done = {*known.taken, *(places[job] for job in outcome.folders)}
    if done:
        logger.info("written: %s", table)
    return {place: rows[place] for place in searches if place in done}, outcome


def save_experiments(
    folder: Path, runs: Mapping[Place, Job], found: Mapping[Place, Facts]
) -> None:
    """Write what searches found as files of ``conf/experiment``, a folder per split.

    Args:
        folder: Of the preset.
        runs: By label and split, without what the searches found.
        found: What they came to, as far as they ended.
    """
    names = file_names([label for label, _ in runs])
    for (label, split), facts in found.items():
        overrides = runs[label, split].overrides
        metric = composed(overrides)["fit"]["metric"]
        note = _note(facts["trials"], SEED, metric, facts["value"])
        path = folder / split.partition("=")[2] / f"{names[label]}.yaml"
        write_text(path, as_experiment([*overrides, *facts["settings"]], note))
    if found:
        logger.info("written: %s, each row as a file of conf/experiment", folder)


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Return the name of the file of each row of a preset.

    Raises:
        InputError: Two rows would be one file.
    """
    names: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        words = label.lower().replace("+", " plus ")
        name = re.sub(r"[\W_]+", "_", words).strip("_")
        if name in names:
            raise InputError(
                f"the rows '{names[name]}' and '{label}' of the preset would both be "
                f"written as {name}.yaml; give one another label"
            )
        names[name] = label
    return {label: name for name, label in names.items()}
