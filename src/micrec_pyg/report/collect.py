"""Run folders -> one long table of results.

A run is a folder with ``metrics.json`` and ``config.yaml``, as written by training
and evaluation. Runs that differ in nothing but the seed share a ``label``, so that
no table ever averages over different settings.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from micrec_pyg.runs.sealed import METRICS, check_run
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

SCHEMA = 1
"""The version of ``metrics.json`` that is understood."""

SETTINGS = ("K", "w", "gamma")
"""Sweep axes that every configuration has."""

VOLATILE = frozenset(
    {
        "seed",
        "output_dir",
        "cache_dir",
        "knn_lists",
        "checkpoint_every_s",
        "cuda_graph",
        "device",
        "logger",
        "hydra",
    }
)
"""Configuration keys, at any depth, that do not make a run another experiment."""

COLUMNS: Mapping[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "split": pl.String,
    "model": pl.String,
    "label": pl.String,
    "seed": pl.Int64,
    **dict.fromkeys(SETTINGS, pl.Float64),
    "run": pl.String,
    "part": pl.String,
    "domain": pl.String,
    "group": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
}


@dataclass(frozen=True)
class Run:
    """What one run folder says."""

    path: str
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def experiment(self) -> tuple[str, str, str]:
        """Return what makes runs comparable: data set, split and model."""
        return self.metrics["dataset"], self.metrics["split"], self.metrics["model"]

    @property
    def seed(self) -> int:
        """Return the seed of split, start values and samples."""
        return int(self.metrics["seed"])

    @property
    def options(self) -> dict[str, str]:
        """Return every setting that matters, by dotted key."""
        return dict(_flat(self.config))


def collect(root: str) -> pl.DataFrame:
    """Return a row per run, part (val, test), domain, group and metric.

    Columns: see ``COLUMNS``. ``label`` is the model's name and, for models with runs
    of several settings, those settings (``micrec K=0``). ``users`` is a metric too.

    Raises:
        InputError: There is no run, or a file is not what it should be.
    """
    runs = find_runs([root])
    return _frame(runs, labels_of(runs))


def find_runs(roots: Sequence[str]) -> list[Run]:
    """Return every run in these folders and below them once, in the order given.

    Raises:
        InputError: A folder holds no run, or a file is not what it should be.
    """
    found: dict[Path, Run] = {}
    for root in roots:
        paths = sorted(Path(root).rglob("metrics.json"))
        if not paths:
            raise InputError(
                f"no metrics.json under '{root}'; finished runs are needed: train "
                "some, or name the folder that holds them"
            )
        for path in paths:
            if path.resolve() not in found:
                found[path.resolve()] = read_run(path.parent)
    return list(found.values())


def collect_runs(labels: Mapping[str, str]) -> pl.DataFrame:
    """Return the same as ``collect`` for chosen runs, in their order.

    Args:
        labels: Run folder -> its label.

    Raises:
        InputError: A folder is not a finished run.
    """
    return _frame([read_run(Path(run)) for run in labels], labels)


def _frame(runs: Sequence[Run], labels: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows of all runs, each label and seed once."""
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, ...]] = set()
    for run in runs:
        key = (*run.experiment, labels[run.path], str(run.metrics["seed"]))
        if key in seen:
            logger.warning("%s repeats an earlier run and is left out", run.path)
            continue
        seen.add(key)
        rows += _rows(run, labels[run.path])
    return pl.DataFrame(rows, schema=COLUMNS)


def read_run(folder: Path) -> Run:
    """Return what one run folder says.

    Raises:
        InputError: It is no finished run; the message has the file, line and column of
            what cannot be read.
    """
    path = folder / METRICS
    check_run(folder, [METRICS, "config.yaml"])
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; train that run first") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}; train that run again") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); "
            "evaluate the run again"
        ) from error
    if metrics.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: schema {metrics.get('schema')!r} was given, {SCHEMA} is needed; "
            "evaluate the run again with this version"
        )
    missing = {"dataset", "model", "seed", "split"} - set(metrics)
    if missing:
        raise InputError(f"{path}: the keys {sorted(missing)} are missing")
    return Run(str(folder), metrics, _config(folder / "config.yaml"))


def _config(path: Path) -> Mapping[str, Any]:
    """Return the resolved configuration of a run."""
    if not path.exists():
        raise InputError(f"{path} is missing; a run without it cannot be compared")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: a mapping of settings is needed")
    return config


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return (dotted key, value) of every setting, volatile keys left out."""
    found: list[tuple[str, str]] = []
    for key, value in config.items():
        if key in VOLATILE:
            continue
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            # 1 and 1.0 are one setting, whether it came from a file or a command
            number = isinstance(value, int | float) and not isinstance(value, bool)
            found.append((f"{prefix}{key}", f"{value:.12g}" if number else str(value)))
    return found


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return each run's name by its folder: its model, and settings that tell it apart.

    Settings tell runs apart among those of one data set, split and model.
    """
    families: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        families[run.experiment].append(run)
    labels = {}
    for (_, _, model), members in families.items():
        options = {run.path: run.options for run in members}
        keys = _varying(list(options.values()))
        for path, own in options.items():
            settings = [f"{key}={own.get(key, 'unset')}" for key in keys]
            labels[path] = " ".join([model, *settings])
    return labels


def _varying(options: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the settings that differ within a family, sweep axes first.

    A copy of a setting before it (``graph.num_neighbors: ${K}``) is left out.
    """
    keys = dict.fromkeys([*SETTINGS, *(key for own in options for key in own)])
    kept: dict[tuple[str | None, ...], str] = {}
    for key in keys:
        values = tuple(own.get(key) for own in options)
        if len(set(values)) > 1:
            kept.setdefault(values, key)
    return list(kept.values())


def _rows(run: Run, label: str) -> list[dict[str, Any]]:
    """Return the values of one run in long form."""
    dataset, split, model = run.experiment
    head = {
        "dataset": dataset,
        "split": split,
        "model": model,
        "label": label,
        "seed": run.metrics["seed"],
        **{key: run.config.get(key) for key in SETTINGS},
        "run": run.path,
    }
    return [
        {
            **head,
            "part": part,
            "domain": domain,
            "group": group,
            "metric": metric,
            "value": value,
        }
        for part in ("val", "test")
        for domain, by_group in run.metrics.get(part, {}).items()
        for group, values in by_group.items()
        for metric, value in values.items()
    ]
