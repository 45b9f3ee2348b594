"""A node of a configuration with ``_target_`` -> the object that it describes.

A configuration may come from somebody else, with a run: nothing is called but what
this project means to be called from a configuration.
"""

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

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


def build(node: Mapping[str, Any], **arguments: Any) -> Any:
    """Return what a node makes, its inner nodes made before it.

    With ``_partial_: true`` it is a function that waits for further arguments.

    Args:
        node: ``_target_`` is the dotted name of a class or function; the other keys
            are its keyword arguments.
        arguments: Further ones, or others than the node's.

    Raises:
        InputError: A target, at any depth, may not be called from a configuration,
            or does not take its arguments.
    """
    call = _target(node)
    given = {key: _made(value) for key, value in node.items() if key[:1] != "_"}
    given |= arguments
    waits = bool(node.get("_partial_", False))
    signature = inspect.signature(call)
    try:
        signature.bind_partial(**given) if waits else signature.bind(**given)
    except TypeError as error:
        raise InputError(
            f"{node['_target_']} does not take these settings: {error}"
        ) from error
    return functools.partial(call, **given) if waits else call(**given)


def check_targets(value: Any) -> None:
    """Refuse a configuration that names what may not be called; call nothing.

    Raises:
        InputError: See ``build``.
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            _target(value)
        for inner in value.values():
            check_targets(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_targets(inner)


def _made(value: Any) -> Any:
    """Return a value of a node with every inner node replaced by what it makes."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return build(value)
        return {key: _made(inner) for key, inner in value.items()}
    return [_made(inner) for inner in value] if isinstance(value, list) else value


def _target(node: Mapping[str, Any]) -> Callable[..., Any]:
    """Return what a node calls.

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
    found: Any = _find(name) if name.startswith(CLASSES) else None
    if not _callable_from_settings(found, name):
        raise InputError(
            f"_target_: {given} is no class of {PACKAGE}'s {', '.join(ROOMS[:-1])} or "
            f"{ROOMS[-1]}, and no function of theirs that a file of conf/ names; "
            "settings may call nothing else"
        )
    call: Callable[..., Any] = found
    return call


def _find(name: str) -> Any:
    """Return what a dotted name means: of a module, or of a class in a module."""
    module, _, attribute = name.rpartition(".")
    try:
        owner: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        owner = _find(module) if "." in module else None
        if not isinstance(owner, type):
            return None
    return getattr(owner, attribute, None)


def _callable_from_settings(found: Any, name: str) -> bool:
    """Return whether a configuration may call this.

    The constructor of a class only makes an object. A function may do anything,
    such as write a file, so conf/ must name it.
    """
    if name in _named_in_conf():
        return isinstance(found, type | FunctionType | MethodType)
    return isinstance(found, type) and f"{found.__module__}.".startswith(CLASSES)


@functools.cache
def _named_in_conf() -> frozenset[str]:
    """Return the targets of every file of conf/."""
    texts = (path.read_text(encoding="utf-8") for path in conf_dir().rglob("*.yaml"))
    return frozenset(name for text in texts for name in _TARGET.findall(text))
