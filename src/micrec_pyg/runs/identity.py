"""What makes two runs one: the settings and the data that decide a result."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from typing import Any

import yaml

from micrec_pyg.runs.build import added, conf_dir, renamed
from micrec_pyg.runs.split_files import split_files

INCIDENTAL = (
    # where files lie, and what a run is called
    "output_dir",
    "cache_dir",
    "*.cache_dir",
    "dataset",
    "split_name",
    "data.path",
    "data.root",
    "data.wheel_url",
    # how fast, and how much memory
    "device",
    "*.device",
    "spmm",
    "blas",
    "rank.batch_size",
    "features.*.batch_size",
    "features.kg.max_gib",
    "graph.knn_lists",
    "fit.checkpoint_every_s",
    "fit.cuda_graph",
    # read below model.net, by the models that have a choice
    "loss",
    "loss.*",
    # what people see of the items
    "thumbnails",
    # who else is told
    "logger",
    "logger.*",
    "hydra.*",
    # how Hydra calls a function, which is the same for all
    "*._convert_",
    "*._partial_",
)
"""Dotted keys of the settings that do not change a result; * stands for anything."""

SIMILARITY = ("w", "graph.w", "graph.modality_weights*")
"""Keys that nothing reads where features decide no neighbours."""

NEIGHBORS = (*SIMILARITY, "neighbors", "*.max_user_neighbors", "graph.neighbors")
"""Keys that nothing reads where a graph has no neighbours."""

AXES = ("K", "w", "gamma")
"""Keys that are in the name of a run."""

GAMMA = "1"
"""The value of gamma that a run counts as if it has no effect: the default."""

IN_GRAPH = {"K": "num_neighbors", "w": "w"}
"""Those that the graph has, by its name for them."""

NET, FIT = "model.net.", "fit.*"

OFF_WITHOUT = (("fit", "neighbors_per_hop"), ("graph", "ann_from"))
"""Keys that change nothing where they are null; versions without them had none."""


def decisive(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return every setting that this run reads and that decides its result.

    Args:
        settings: Resolved, as in ``config.yaml``.

    Returns:
        By dotted key, as text: 1 and 1.0 are one setting. A setting that an earlier
        version did not write stands there with what that version did.
    """
    return _read(settings, _unread(settings))


def _read(settings: Mapping[str, Any], unread: set[str]) -> dict[str, str]:
    """Return the decisive settings; ``unread`` has patterns of those that are not."""
    read = _as_read(settings)
    return {
        key: renamed(text) if key.endswith("_target_") else text
        for key, text in [*_before(settings).items(), *_flat(read, "")]
        if not any(fnmatchcase(key, pattern) for pattern in (*INCIDENTAL, *unread))
    }


def unread_keys(settings: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Return those of some dotted keys that this run does not read.

    Args:
        settings: Resolved, as in ``config.yaml``.
        keys: As on a command line.
    """
    unread, read = _unread(settings), _as_read(settings)
    return [
        key
        for key in keys
        if any(fnmatchcase(key, pattern) for pattern in unread)
        or (key in IN_GRAPH and read.get(key) != settings.get(key))
    ]


def run_ids(
    settings: Mapping[str, Any], data: Mapping[str, str], *, split: str, seed: int
) -> list[str]:
    """Return the name of a run: split, what was varied, seed, and 8 hex digits.

    The digits are those of a sha256 of the data's content and of every decisive
    setting but those of ``data``, which the content already shows. Behind it are names
    whose digits the same run had in earlier versions.

    Args:
        settings: Resolved, as in ``config.yaml``.
        data: Digest of each domain's catalogue as read.
        split: Name of the protocol.
        seed: Of the run.
    """
    before = _before(settings)
    kept = {
        key: text
        for key, text in decisive(settings).items()
        if not key.startswith("data.")
        and key not in ("pair", "split.path")
        and before.get(key) != text
    }
    files = split_files(settings.get("split", {}).get("path"))
    axes = [f"{key}{value:g}" for key, value in sweep_axes(settings).items()]
    ids = []
    parts = (_fits(settings), _gammas(settings), _similarities(settings))
    for fit, gamma, similarity in product(*parts):
        own = [{**kept, **fit, **gamma, **similarity}, list(data.items()), files]
        decided = json.dumps(own, sort_keys=True).encode()
        digits = hashlib.sha256(decided).hexdigest()[:8]
        ids.append("-".join([split, *axes, f"s{seed}", digits]))
    return ids


def _fits(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return nothing, and the settings of training that an untrained model has.

    Earlier versions counted these.
    """
    if not _is_untrained(settings):
        return [{}]
    return [{}, _counted(settings, {FIT})]


def _gammas(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return gamma as the digits count it where it has no effect, else nothing.

    Earlier versions counted it in any case.
    """
    if not _contrast_is_off(settings):
        return [{}]
    gamma = dict(_flat({"gamma": settings.get("gamma")}, ""))["gamma"]
    return [{"gamma": each} for each in dict.fromkeys([GAMMA, gamma])]


def _similarities(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return nothing, and the weights of features that decide no neighbours.

    Earlier versions counted these where co-occurrence does.
    """
    if not _cooccur(settings):
        return [{}]
    return [{}, _counted(settings, {*SIMILARITY})]


def _counted(settings: Mapping[str, Any], unread: set[str]) -> dict[str, str]:
    """Return settings that earlier versions counted although nothing reads them."""
    every = _read(settings, _unread(settings) - unread)
    return {
        key: text
        for key, text in every.items()
        if any(fnmatchcase(key, pattern) for pattern in unread)
    }


def model_name(settings: Mapping[str, Any]) -> str:
    """Return what a run's model is called: with its term, such as ``inmo+ease_xc``."""
    name = str(settings["model"]["name"])
    return name if _has_no_term(settings) else f"{name}+{settings['term']['name']}"


def sweep_axes(settings: Mapping[str, Any]) -> dict[str, float]:
    """Return those of K, w and gamma that this run reads, with their values.

    Args:
        settings: Resolved, as in ``config.yaml``.
    """
    unread, read = _unread(settings), _as_read(settings)
    return {key: read[key] for key in AXES if key in read and key not in unread}


def _as_read(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings whose K and w are those of the graph.

    A model may fix the number of neighbours itself (``model.num_neighbors``), and
    reads no K then.
    """
    graph = settings.get("graph", {})
    own = {axis: graph[key] for axis, key in IN_GRAPH.items() if key in graph}
    return {**settings, **{key: own[key] for key in own if key in settings}}


def _before(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what the model did in versions that did not have all of its settings.

    Such a value is in no id, so that a run has the name that it had then.
    """
    return dict(_flat(added(settings.get("model", {}).get("net", {})), NET))


def _unread(settings: Mapping[str, Any]) -> set[str]:
    """Return keys that this model or this graph does not read."""
    model, graph = settings.get("model", {}), settings.get("graph", {})
    unread = {
        f"{group}.{key}"
        for group, key in OFF_WITHOUT
        if settings.get(group, {}).get(key) is None
    }
    if _has_no_term(settings):
        unread |= {"term", "term.*"}
    if _is_untrained(settings):
        unread.add(FIT)
    if "net" in model and "num_neighbors" in graph:
        unread |= _unread_in_graph(settings)
        if "contrastive" not in model.get("weights", {}) or _contrast_is_off(settings):
            unread.add("gamma")
    return unread


def _unread_in_graph(settings: Mapping[str, Any]) -> set[str]:
    """Return keys of the neighbours that nothing reads."""
    unread: set[str] = set()
    if not settings["graph"]["num_neighbors"]:
        unread |= {*NEIGHBORS, "graph.knn_include_self"}
        if not settings["model"]["net"].get("neighbor"):
            unread.add("K")
    if _cooccur(settings):
        unread |= {*SIMILARITY}
    if settings["graph"].get("max_user_neighbors") is None:
        unread.add("*.max_user_neighbors")
    return unread


def _cooccur(settings: Mapping[str, Any]) -> bool:
    """Return whether shared edges decide the neighbours, and no features."""
    graph = settings.get("graph", {})
    return bool(graph.get("num_neighbors") and graph.get("neighbors") == "cooccurrence")


def _has_no_term(settings: Mapping[str, Any]) -> bool:
    return str(settings.get("term", {}).get("name", "none")) == "none"


def _is_untrained(settings: Mapping[str, Any]) -> bool:
    """Return whether there is nothing to train, and no weight to choose."""
    weights = settings.get("model", {}).get("weights")
    return weights == {} and _has_no_term(settings)


def _contrast_is_off(settings: Mapping[str, Any]) -> bool:
    """Return whether the contrastive loss is off by its weight, whatever gamma is."""
    model = settings.get("model", {})
    if model.get("weights", {}).get("contrastive") != 0:
        return False
    return settings.get("gamma") != 0 or not follows_gamma(str(model.get("name")))


@cache
def follows_gamma(model: str) -> bool:
    """Return whether the yaml of a model makes the contrastive weight from gamma."""
    path = conf_dir() / "model" / f"{model}.yaml"
    if not path.is_file():
        return True
    weights = yaml.safe_load(path.read_text(encoding="utf-8")).get("weights", {})
    return "${gamma}" in str(weights.get("contrastive"))


def _flat(settings: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            found.append((f"{prefix}{key}", f"{value:.12g}" if number else str(value)))
    return found
