"""What a run is and found, as wandb wants it: flat names, plain values."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from micrec_pyg.runs.averages import AVERAGE, average, averages
from micrec_pyg.runs.build import build
from micrec_pyg.runs.identity import decisive, model_name, sweep_axes
from micrec_pyg.schema import InputError

Values = dict[str, Any]

ASIDE = ("*_target_", "split_name")
"""Settings that a dashboard does not need: they stand there under another name."""


def config_of(settings: Mapping[str, Any], data: Mapping[str, str]) -> Values:
    """Return the settings that decide a result, flat: K, w, gamma, seed, fit/lr, ...

    A setting that the run does not read, such as w without neighbours, is left out:
    a plot over it then does not show the run.

    Args:
        settings: The content of a run's ``config.yaml``.
        data: Digest of each domain's catalogue as read.
    """
    by_path = {**dict(_flat(settings, ".", "")), **sweep_axes(settings)}
    found = {
        "dataset": settings["dataset"],
        "split": settings["split_name"],
        "model": model_name(settings),
        "seed": settings["seed"],
        "setting": setting_of(settings, data),
    }
    for key in decisive(settings):
        name = key.replace(".", "/")
        if name not in found and not any(fnmatchcase(key, each) for each in ASIDE):
            found[name] = by_path.get(key)
    # model/name is the model
    return {key: value for key, value in found.items() if key != "model/name"}


def setting_of(settings: Mapping[str, Any], data: Mapping[str, str]) -> str:
    """Return the name of all that decides a result but the seed.

    The seed of a part, such as ``split.seed``, is left out where it is that of the run.
    The name says data set, split, model and the sweep axes that the run reads, and ends
    in 8 hex digits of the rest, such as ``toy random micrec K=3 w=0.9 gamma=1
    5d1f0c2a``. A panel that is grouped by it shows the mean over seeds.

    Args:
        settings: The content of a run's ``config.yaml``.
        data: Digest of each domain's catalogue as read.
    """
    where = [settings["dataset"], settings["split_name"], model_name(settings)]
    read = decisive(settings)
    kept = {key: text for key, text in read.items() if not _follows_seed(key, read)}
    content = json.dumps([where, kept, dict(data)], sort_keys=True).encode()
    axes = [f"{key}={kept[key]}" for key in ("K", "w", "gamma") if key in kept]
    digits = hashlib.sha256(content).hexdigest()[:8]
    return " ".join([*map(str, where), *axes, digits])


def _follows_seed(key: str, read: Mapping[str, str]) -> bool:
    """Return whether a setting is the seed of the run; data have one of their own."""
    part, _, name = key.rpartition(".")
    return name == "seed" and part != "data" and read[key] == read["seed"]


def tags_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the words by which a run is found: data set, split, model, seed."""
    words = [settings["dataset"], settings["split_name"], model_name(settings)]
    # wandb refuses a run for a tag beyond 64 characters
    return [str(word)[:64] for word in (*words, f"seed{settings['seed']}")]


def flat(values: Mapping[str, Any]) -> Values:
    """Return nested values by path, such as ``val/A/ndcg@20``, without empty ones."""
    return {
        key: value for key, value in _flat(values, "/", "") if value not in (None, {})
    }


def epoch_values(row: Mapping[str, Any], rate: Callable[[int], float]) -> Values:
    """Return a line of ``history.jsonl`` with the domains' mean and the learning rate.

    Args:
        row: The line.
        rate: Epoch -> learning rate.
    """
    found = dict(row)
    if found.get("val"):
        mean = average(list(found["val"].values()))
        found["val"] = {**found["val"], AVERAGE: mean}
    return {**flat(found), "lr": rate(int(row["epoch"]))}


def summary_values(metrics: Mapping[str, Any]) -> Values:
    """Return the content of ``metrics.json``, with the mean over the domains."""
    parts = {
        part: {**metrics[part], AVERAGE: averages(metrics[part])}
        for part in ("val", "test")
        if part in metrics
    }
    return flat({**metrics, **parts})


def learning_rate(settings: Mapping[str, Any]) -> Callable[[int], float]:
    """Return the function epoch -> learning rate that a run's settings describe."""
    fit = settings["fit"]
    try:
        schedule = build(fit, "fit").schedule
    except InputError:  # of an earlier version, which had one rate
        return lambda epoch: float(fit["lr"])
    return lambda epoch: float(fit["lr"] * schedule(epoch))


def _flat(
    values: Mapping[str, Any], between: str, prefix: str
) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, between, f"{prefix}{key}{between}")
        else:
            yield f"{prefix}{key}", value
