"""Run folders -> one long table of results.

A run is a folder with ``metrics.json`` and ``config.yaml``, as written by training
and evaluation. Runs that differ in nothing but the seed share a ``label``, so that
no table ever averages over different settings.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.runs.identity import follows_gamma
from micrec_pyg.runs.read import (
    Run,
    family_of,
    find_runs,
    options_of,
    read_run,
    values_of,
)

logger = logging.getLogger(__name__)

SETTINGS = ("K", "w", "gamma")
"""Sweep axes that every configuration has."""

CONTRASTIVE = "model.weights.contrastive"
"""Weight of the loss that aligns domains; a model may make it from gamma."""

SEED = ".seed"
"""End of the keys of seeds; where the part has none of its own, it is the run's."""

FOLLOWS = (
    ("graph.num_neighbors", "K"),
    ("graph.num_neighbors", "model.num_neighbors"),
    ("model.num_neighbors", "K"),
    ("graph.max_user_neighbors", "model.max_user_neighbors"),
    ("graph.w", "w"),
    ("graph.neighbors", "neighbors"),
    ("graph.overlap", "overlap"),
    ("graph.overlap_ratio", "overlap_ratio"),
    ("data.pair", "pair"),
)
"""Settings that the yaml takes from another one (``num_neighbors: ${K}``), with it."""

COLUMNS: Mapping[str, type[pl.DataType]] = {
    "dataset": pl.String,
    "split": pl.String,
    "model": pl.String,
    "label": pl.String,
    "seed": pl.Int64,
    "run": pl.String,
    "part": pl.String,
    "domain": pl.String,
    "group": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
}


def collect(root: str) -> pl.DataFrame:
    """Return a row per run, part (val, test), domain, group and metric.

    Columns: see ``COLUMNS``. ``label`` is the model's name and, for models with runs
    of several settings, those settings (``micrec K=0``). ``users`` is a metric too.

    Raises:
        InputError: There is no run, or a file is not what it should be.
    """
    runs = find_runs([root])
    labels = labels_of(runs)
    return _frame([(run, labels[run.path]) for run in runs])


def collect_runs(chosen: Sequence[tuple[Path, str]]) -> pl.DataFrame:
    """Return the same as ``collect`` for chosen runs, in their order.

    Args:
        chosen: Run folders and their labels; one run may stand under several.

    Raises:
        InputError: A folder is not a finished run.
    """
    return _frame([(read_run(folder), label) for folder, label in chosen])


def without_part(results: pl.DataFrame, part: str) -> list[str]:
    """Return the folders of the runs that have no result of a part.

    Args:
        results: As ``collect`` returns it.
        part: ``val`` or ``test``.
    """
    there = set(results.filter(part=part)["run"])
    return [
        run for run in results["run"].unique(maintain_order=True) if run not in there
    ]


def equal_labels(results: pl.DataFrame) -> list[list[str]]:
    """Return the labels of one data set, split and model that share every result.

    What tells them apart had no effect: they have the same seeds, and in each of
    these the same value of every metric in every group.

    Args:
        results: As ``collect`` returns it.
    """
    family = ["dataset", "split", "model"]
    cells = ["seed", "part", "domain", "group", "metric", "value"]
    found = []
    for _, mine in results.sort(*family, "label", *cells).group_by(
        family, maintain_order=True
    ):
        equal: dict[tuple[object, ...], list[str]] = defaultdict(list)
        for (label,), rows in mine.group_by("label", maintain_order=True):
            equal[tuple(rows.select(cells).iter_rows())].append(str(label))
        found += [labels for labels in equal.values() if len(labels) > 1]
    return found


def _frame(labelled: Sequence[tuple[Run, str]]) -> pl.DataFrame:
    """Return the rows of all runs, each label and seed once."""
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, ...]] = set()
    for run, label in labelled:
        key = (*family_of(run), label, str(run.record["seed"]))
        if key in seen:
            logger.warning("%s repeats an earlier run and is left out", run.path)
            continue
        seen.add(key)
        rows += _rows(run, label)
    return pl.DataFrame(rows, schema=COLUMNS)


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return each run's name by its folder: its model, and settings that tell it apart.

    Settings tell runs apart among those of one data set, split and model.
    """
    settings = varied(runs)
    return {
        run.path: " ".join(
            [family_of(run)[2], *(f"{k}={v}" for k, v in settings[run.path].items())]
        )
        for run in runs
    }


def varied(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    """Return by folder the settings that tell a run apart, sweep axes first.

    They do so among the runs of one data set, split and model; a run that does not
    have such a setting has the value ``unset``. The seed of a part that is the run's
    own has the value ``seed``.
    """
    families: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        families[family_of(run)].append(run)
    found = {}
    for members in families.values():
        options = _options(members)
        read = list(options.values())
        keys = _telling(members, _varying(read), read)
        fixed = {pair for own in read for pair in own.items()}
        for run in members:
            # the own seed of a run may be the one that others were given
            seeds = [key for key in keys if key.endswith(SEED)]
            own = {k: s for k in seeds if (k, s := str(run.seed)) in fixed}
            own |= options[run.path]
            found[run.path] = {key: own.get(key, _absent(key)) for key in keys}
    return found


def _absent(key: str) -> str:
    return "seed" if key.endswith(SEED) else "unset"


def _options(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    """Return the settings of runs by folder, and the digest of their data.

    The data of two runs is one where its content is, however it was asked for: then
    the settings of the first count.
    """
    first: dict[str, dict[str, str]] = {}
    found = {}
    for run in runs:
        own = options_of(run)
        data = {k: v for k, v in own.items() if k.startswith("data.") or k == "pair"}
        others = {key: value for key, value in own.items() if key not in data}
        if digests := run.record.get("data"):
            content = " ".join(digest[:12] for digest in digests.values())
            data = {**first.setdefault(content, data), "data": content}
        else:  # of an earlier version: its path stands for the content
            data["data.path"] = str((run.config.get("data") or {}).get("path"))
        found[run.path] = {**others, **data}
    return found


def _varying(options: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the settings that differ within a family, sweep axes first.

    A setting that is what it is made from is left out, see ``FOLLOWS``.
    """
    keys = dict.fromkeys([*SETTINGS, *(key for own in options for key in own)])
    names: dict[str, tuple[str | None, ...]] = {}
    for key in keys:
        values = tuple(own.get(key) for own in options)
        # runs of one version have the one, runs of another the other
        known = {*values} - ({None} if key in ("data", "data.path") else set())
        if len(known) > 1:
            names[key] = values
    copies = {key for key, of in FOLLOWS if names.get(key) == names.get(of)}
    names = {key: values for key, values in names.items() if key not in copies}
    told = [v for k, v in names.items() if k.startswith("data.") or k == "pair"]
    if len({*zip(*told, strict=True)}) >= len({*names.get("data", ())}):
        names.pop("data", None)  # settings tell the same, in words
    return list(names)


def _telling(
    runs: Sequence[Run], keys: Sequence[str], read: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return the keys without those that follow from others.

    Left out is a setting that all runs have alike where some do not read it (``w`` at
    ``K=0``), and the weight of the contrastive loss where it is made from gamma.
    What is written alike may be read as something else, and then tells runs apart: K
    where the model fixes its number of neighbours, data where their content changed.

    Args:
        runs: Of one family.
        keys: Settings that differ.
        read: What each run reads, in the order of ``runs``.
    """
    written = {key: [_written(run, key) for run in runs] for key in keys}
    made = {CONTRASTIVE} if _is_made_from_gamma(runs, written) else set()
    return [
        key
        for key, values in written.items()
        if (
            None in values
            or len({*map(str, values)}) > 1
            or len({own[key] for own in read if key in own}) > 1
        )
        and key not in made
    ]


def _written(run: Run, key: str) -> Any:
    """Return a setting as it stands in ``config.yaml``, read or not; None if absent."""
    value: Any = run.config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_made_from_gamma(
    runs: Sequence[Run], written: Mapping[str, Sequence[Any]]
) -> bool:
    """Return whether the contrastive weights of runs are one factor times gamma."""
    if not {CONTRASTIVE, "gamma"} <= written.keys():
        return False
    model = str(_written(runs[0], "model.name"))
    return follows_gamma(model) and _multiple(written[CONTRASTIVE], written["gamma"])


def _multiple(values: Sequence[Any], others: Sequence[Any]) -> bool:
    """Return whether values are numbers, and one positive factor times others."""
    if not all(isinstance(value, int | float) for value in (*values, *others)):
        return False
    pairs = list(zip(values, others, strict=True))
    factors = {f"{value / other:.9g}" for value, other in pairs if other}
    zeros = all(value == 0 for value, other in pairs if not other)
    return zeros and len(factors) == 1 and float(*factors) > 0


def _rows(run: Run, label: str) -> list[dict[str, Any]]:
    """Return the values of one run in long form."""
    dataset, split, model = family_of(run)
    head = {
        "dataset": dataset,
        "split": split,
        "model": model,
        "label": label,
        "seed": run.record["seed"],
        "run": run.path,
    }
    names = ("part", "domain", "group", "metric", "value")
    return [
        {**head, **dict(zip(names, values, strict=True))} for values in values_of(run)
    ]
