"""Settings of a run: which there are, and which values they allow.

The types are those of the signatures that take the settings. Everything is checked
before a run begins, so nothing is read or computed for settings that are wrong.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Annotated, Any, NotRequired, TypedDict, get_type_hints

from micrec_pyg.allowed import (
    Allowed,
    FolderName,
    Natural,
    NotNegative,
    Seed,
    Share,
    Weights,
    one_of,
)
from micrec_pyg.blas import LIBRARIES
from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.data.sources.source import YOUNGER, Source
from micrec_pyg.runs.build import is_node, naming, target
from micrec_pyg.runs.setting_types import check_value, words
from micrec_pyg.schema import InputError

Node = Annotated[
    Mapping[str, Any], Allowed("settings with a _target_", lambda node: True)
]


Pair = FolderName | Sequence[FolderName] | None
"""A pair of categories by its name, or the categories."""


class ModelSettings(TypedDict):
    """The group ``model``."""

    name: FolderName
    num_neighbors: Natural
    max_user_neighbors: NotRequired[Natural | None]
    weights: Mapping[str, NotNegative]
    net: Node


class TermSettings(TypedDict):
    """The group ``term``; ``none`` has a name alone."""

    name: FolderName
    num_neighbors: NotRequired[Natural]
    weights: NotRequired[Mapping[str, NotNegative]]
    net: NotRequired[Node]
    betas: NotRequired[Weights]


class LoggerSettings(TypedDict):
    """The group ``logger``; ``none`` has a name alone."""

    name: Annotated[str, one_of("none", "wandb")]
    mode: NotRequired[Annotated[str, one_of("offline", "online", "disabled")]]
    project: NotRequired[str]
    entity: NotRequired[str | None]
    group: NotRequired[str | None]
    job_type: NotRequired[str]
    tags: NotRequired[Sequence[str]]
    notes: NotRequired[str | None]
    artifacts: NotRequired[bool]


class Axes(TypedDict):
    """Values that other settings are computed from."""

    K: Natural
    w: Annotated[
        Share, Allowed("the weight of text, a number in [0, 1]", lambda w: True)
    ]
    gamma: Annotated[
        NotNegative,
        Allowed(
            "a number of 0 or more; 0 switches the contrastive loss off",
            lambda gamma: True,
        ),
    ]
    overlap_ratio: Annotated[
        Share,
        Allowed(
            "a share in [0, 1]; 1 keeps all links between the domains, 0 hides them",
            lambda ratio: True,
        ),
    ]
    seed: Seed
    pair: Pair


class Settings(Axes):
    """Everything that decides a run; ``conf/train.yaml`` explains the keys."""

    neighbors: str
    overlap: str
    device: str
    precision: Annotated[str, one_of("float32", "bf16", "tf32")]
    spmm: str
    blas: NotRequired[Annotated[str, one_of(*LIBRARIES)]]
    output_dir: str
    cache_dir: str | None
    dataset: FolderName
    split_name: FolderName
    thumbnails: bool
    data: Node
    split: Node
    features: Node
    graph: Node
    model: ModelSettings
    loss: Node
    term: TermSettings
    fit: Node
    rank: Node
    logger: LoggerSettings


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings with an impossible value; build nothing that works.

    Args:
        settings: Resolved; those of an earlier version may lack keys, or have others.

    Raises:
        InputError: The first value that no run could use, or a target that settings
            may not name.
    """
    for name, kind in get_type_hints(Settings, include_extras=True).items():
        if name in settings:
            check_value(settings[name], kind, name)
    for name, value in settings.items():
        _check_inside(value, name)


def _check_inside(value: Any, key: str) -> None:
    """Check every node in a value."""
    if is_node(value):
        check_node(value, key)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _check_inside(inner, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_inside(inner, key)


def check_node(node: Mapping[str, Any], key: str) -> None:
    """Refuse a node, or one inside of it, whose target does not take its values.

    Args:
        node: Settings with ``_target_``.
        key: Its dotted name, for messages.

    Raises:
        InputError: See ``check_settings``.
    """
    with naming(key, node):
        call = target(node)
    kinds = _kinds(call)
    given = {name: value for name, value in node.items() if name[:1] != "_"}
    for name, value in given.items():
        where = f"{key}.{name}"
        _check_inside(value, where)
        if name not in kinds and "**" not in kinds:
            raise InputError(
                f"{where} is no setting of {node['_target_']}; valid are "
                f"{', '.join(kinds)}"
            )
        kind = kinds.get(name, kinds.get("**"))
        if not is_node(value):
            check_value(value, kind, where)
        elif not _takes_objects(kind):
            raise InputError(f"{where} has a _target_: give {words(kind)}")
    source = _source(call)
    if source is not None:
        if missing := [name for name in kinds if name not in {*given, *YOUNGER}]:
            raise InputError(f"{key}.{missing[0]} has no value; give it one")
        with naming(key, given):
            source.parse(**given)


def check_data_files(node: Mapping[str, Any]) -> None:
    """Refuse data whose files are not there; no file is opened and none is fetched.

    Args:
        node: The checked settings of the data.

    Raises:
        InputError: As reading the data would raise it.
    """
    made = _source(target(node))
    if made is None:
        return
    given = {name: value for name, value in node.items() if name[:1] != "_"}
    with naming("data", given):
        source, options = made.parse(**given)
        source.check_files(options.domains)


def _kinds(call: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of every argument; that of any other stands at ``**``."""
    source = _source(call)
    if source is not None:
        return {**_kinds(source), **_kinds(ReadingOptions)}
    function = call.__init__ if inspect.isclass(call) else call
    hints = get_type_hints(function, include_extras=True)
    kinds = {}
    for name, parameter in inspect.signature(call).parameters.items():
        open_end = parameter.kind is inspect.Parameter.VAR_KEYWORD
        kinds["**" if open_end else name] = hints.get(name, Any)
    return kinds


def _source(call: Callable[..., Any]) -> type[Source] | None:
    """Return the source of data that a target reads."""
    owner = getattr(call, "__self__", None) if isinstance(call, MethodType) else None
    is_source = inspect.isclass(owner) and issubclass(owner, Source)
    return owner if is_source else None


def _takes_objects(kind: Any) -> bool:
    """Return whether a value of this type can be made by a target."""
    return kind is Any or "settings with a _target_" in words(kind)
