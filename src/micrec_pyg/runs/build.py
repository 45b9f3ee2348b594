"""A node of a configuration with ``_target_`` -> the object that it describes.

A configuration may come from somebody else, with a run: nothing is called but what
this project means to be called from a configuration.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from micrec_pyg.runs import plugins
from micrec_pyg.schema import InputError

PACKAGE = "micrec_pyg"

ROOMS = ("data", "features", "graph", "models", "nn", "training", "evaluation")
"""Where a target may come from."""

MOVED: Mapping[str, str] = {
    "data.tables.tables": "data.sources.Tables.read",
    "data.mmrec.mmrec": "data.sources.MMRec.read",
    "data.ngcf.ngcf": "data.sources.NGCF.read",
    "data.movielens.movielens_100k": "data.sources.MovieLens.read",
    "data.amazon.amazon": "data.sources.Amazon.read",
    "data.heterodata.heterodata": "data.sources.HeteroDataFile.read",
    "data.recbole.recbole": "data.sources.RecBole.read",
    "data.synthetic.synthetic": "data.sources.Synthetic.read",
    "data.split.random_ratio": "data.splits.at_random.random_ratio",
    "data.split.ready": "data.splits.at_random.ready",
    "data.split_time.global_time": "data.splits.by_time.global_time",
    "data.split_time.leave_one_out": "data.splits.by_time.leave_one_out",
    "data.split_time.user_time": "data.splits.by_time.user_time",
    "data.split_inductive.history_elsewhere": (
        "data.splits.inductive.history_elsewhere"
    ),
    "data.split_inductive.new_interactions": "data.splits.inductive.new_interactions",
    "data.split_inductive.new_nodes": "data.splits.inductive.new_nodes",
    "data.split_inductive.zero_edge": "data.splits.inductive.zero_edge",
    "data.split_files.load_split": "data.splits.saved.load_split",
    "data.split_import.files": "data.splits.imported.files",
}
"""Names in configurations of earlier versions -> today's; both below the package."""

_BEFORE_UNSEEN = {
    "zero": (
        "lightgcn.LightGCN",
        "freedom.FREEDOM",
        "smore.SMORE",
        "bm3.BM3",
        "bitgcf.BiTGCF",
    ),
    "error": ("bpr_mf.BPRMF", "neumf.NeuMF"),
}

ADDED: Mapping[str, Mapping[str, Any]] = {
    "models.item_knn.ItemKNN": {
        "weighting": "none",
        "k1": 1.2,
        "b": 0.75,
        "similarity": "cosine",
        "score": "sum",
    },
    **{
        f"models.{name}": {"unseen": value}
        for value, names in _BEFORE_UNSEEN.items()
        for name in names
    },
}
"""By target below the package: settings that configurations of earlier versions lack,
with what those versions did."""

CLASSES = (*(f"{PACKAGE}.{room}." for room in ROOMS), "torch.optim.")
"""Where a class may come from, by the beginning of its name."""

_TARGET = re.compile(r"^\s*_target_:\s*([\w.]+)", re.MULTILINE)


def conf_dir() -> Path:
    """Return the folder of the yaml files: of a checkout, else of the package."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent.parent / "conf", package / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise InputError(
        f"{package / 'conf'} is missing: install micrec-pyg again, or run it from a "
        "checkout that has conf/"
    )


def renamed(target: str) -> str:
    """Return today's name of a target that an earlier version wrote."""
    inner = target.removeprefix(f"{PACKAGE}.")
    return f"{PACKAGE}.{MOVED[inner]}" if inner in MOVED else target


def added(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a node that earlier versions did not have."""
    inner = renamed(str(node.get("_target_"))).removeprefix(f"{PACKAGE}.")
    return ADDED.get(inner, {})


def build(node: Mapping[str, Any], key: str = "", /, **arguments: Any) -> Any:
    """Return what a node makes, its inner nodes made before it.

    With ``_partial_: true`` it is a function that waits for further arguments.

    Args:
        node: ``_target_`` is the dotted name of a class or function; the other keys
            are its keyword arguments.
        key: Its dotted name in the settings, for messages.
        arguments: Further ones, or others than the node's.

    Raises:
        InputError: A target, at any depth, may not be called from a configuration,
            or does not take its arguments.
    """
    call = target(node)
    given = {
        name: _made(value, f"{key}.{name}" if key else name)
        for name, value in {**added(node), **node}.items()
        if name[:1] != "_"
    } | arguments
    waits = bool(node.get("_partial_", False))
    signature = inspect.signature(call)
    try:
        signature.bind_partial(**given) if waits else signature.bind(**given)
    except TypeError as error:
        raise InputError(
            f"{key or node['_target_']}: {node['_target_']} does not take these "
            f"settings: {error}"
        ) from error
    if waits:
        return functools.partial(call, **given)
    with naming(key, given):
        return call(**given)


def is_node(value: object) -> bool:
    """Return whether a value describes an object."""
    return isinstance(value, Mapping) and "_target_" in value


@contextmanager
def naming(key: str, given: Mapping[str, Any]) -> Iterator[None]:
    """Give the full name of a setting to an error that begins with its last part.

    Args:
        key: Dotted name of the node.
        given: Its settings.

    Raises:
        InputError: As it was raised, ``dim=0`` as ``model.net.dim=0``.
    """
    try:
        yield
    except InputError as error:
        first = re.match(r"\w+", str(error))
        if not key or first is None or first[0] not in given:
            raise
        raise InputError(f"{key}.{error}") from error


def _made(value: Any, key: str) -> Any:
    """Return a value of a node with every inner node replaced by what it makes."""
    if isinstance(value, Mapping):
        if is_node(value):
            return build(value, key)
        return {name: _made(inner, f"{key}.{name}") for name, inner in value.items()}
    return [_made(inner, key) for inner in value] if isinstance(value, list) else value


def target(node: Mapping[str, Any]) -> Callable[..., Any]:
    """Return what a node calls.

    Args:
        node: Settings with ``_target_``.

    Raises:
        InputError: It may not be called, or it is not there.
    """
    if "_target_" not in node:
        raise InputError(
            f"the settings {', '.join(map(str, node)) or '{}'} have no _target_; name "
            "the class or function that takes them"
        )
    given = str(node["_target_"])
    name = renamed(given)
    trusted = (*CLASSES, *plugins.beginnings())
    found: Any = _find(name) if name.startswith(trusted) else None
    if not _callable_from_settings(found, name):
        if reason := _missing(name):
            raise InputError(f"_target_: {given} is not there: {reason}")
        raise InputError(
            f"_target_: {given} is no class of {PACKAGE}'s {', '.join(ROOMS[:-1])} or "
            f"{ROOMS[-1]}, and no function of theirs that a file of conf/ names; "
            "settings may call nothing else, but for what is in a package that you "
            "name: micrec --plugin PACKAGE ..."
        )
    call: Callable[..., Any] = found
    return call


def _find(name: str) -> Any:
    """Return what a dotted name means: of a module, or of a class in a module."""
    module, _, attribute = name.rpartition(".")
    try:
        owner: Any = plugins.imported(module)
    except ModuleNotFoundError:
        owner = _find(module) if "." in module else None
        if not isinstance(owner, type):
            return None
    return getattr(owner, attribute, None)


def _missing(name: str) -> str:
    """Return what a module of ours lacks, in words; nothing if that is not the reason.

    Of a plug-in, which the user has named, there always is a reason.

    Raises:
        InputError: It cannot be imported, as it needs what is not there.
    """
    module, _, attribute = name.rpartition(".")
    is_plugin = name.startswith(plugins.beginnings())
    if not is_plugin and not f"{module}.".startswith(CLASSES):
        return ""
    try:
        content = vars(plugins.imported(module))
    except ModuleNotFoundError as error:
        reason = plugins.needed(module, error)
        return reason or (f"there is no module {module}" if is_plugin else "")
    own = [
        key
        for key, value in content.items()
        if isinstance(value, type) and value.__module__ == module
    ]
    if attribute not in content and own:
        return f"{module} has {', '.join(own)}"
    return f"{module} has no class or function {attribute}" if is_plugin else ""


def _callable_from_settings(found: Any, name: str) -> bool:
    """Return whether a configuration may call this.

    The constructor of a class only makes an object. A function may do anything,
    such as write a file, so conf/ must name it.
    """
    if name in _named_in_conf() or name.startswith(plugins.beginnings()):
        return isinstance(found, type | FunctionType | MethodType)
    return isinstance(found, type) and f"{found.__module__}.".startswith(CLASSES)


@functools.cache
def _named_in_conf() -> frozenset[str]:
    """Return the targets of every file of conf/."""
    texts = (path.read_text(encoding="utf-8") for path in conf_dir().rglob("*.yaml"))
    return frozenset(name for text in texts for name in _TARGET.findall(text))
