"""Whether a plain value is of a type, and the sentence for one that is not."""

import inspect
import math
import types
from collections.abc import Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from micrec_pyg.allowed import Allowed
from micrec_pyg.schema import InputError

LONGEST = 120
"""Most characters of a value in a message."""

_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}


def check_value(value: object, kind: Any, key: str) -> None:
    """Refuse a value that is not of a type, or not among its allowed values.

    Args:
        value: Plain: of mappings, lists and scalars.
        kind: The annotation of an argument or field.
        key: Dotted name, for the message.

    Raises:
        InputError: The value, or one inside of it, is another.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            for part in _parts_of(kind, str(name)):
                check_value(inner, part, f"{key}.{name}")
    if not _fits(value, kind):
        number = isinstance(value, int | float) and str in _plain_types(kind)
        hint = (
            f"; text that looks like a number stands in quotes: '{key}=\"{value}\"'"
            if number
            else ""
        )
        raise InputError(f"{key}={shown(value)}: give {words(kind)}{hint}")


def shown(value: object) -> str:
    """Return a value as the command line has it, cut where it is long."""
    text = _written(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def words(kind: Any) -> str:
    """Return which values a type allows; it completes the sentence "give ..."."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        said = [each.words for each in parts[1:] if isinstance(each, Allowed)]
        return said[-1] if said else words(parts[0])
    if origin is NotRequired:
        return words(parts[0])
    if origin in (Union, types.UnionType):
        # int | float is a number, and a whole number is one
        said = [words(part) for part in parts if not (part is int and float in parts)]
        return ", or ".join(dict.fromkeys(said))
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is not None and issubclass(origin, Mapping):
        return f"{{name: {words(parts[1])}}}"
    if origin is not None and issubclass(origin, Sequence):
        return f"a list in which each entry is {words(parts[0])}"
    return _WORDS.get(kind, "settings with a _target_, as the files of conf/ have")


def _written(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {_written(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return str(value)


def _parts_of(kind: Any, name: str) -> list[Any]:
    """Return the types of the value of this name, if such mappings may be given."""
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        return [hints[name]] if name in hints else []
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Annotated, NotRequired):
        return _parts_of(parts[0], name)
    if origin in (Union, types.UnionType):
        return [found for part in parts for found in _parts_of(part, name)]
    mapping = inspect.isclass(origin) and issubclass(origin, Mapping)
    return [parts[1]] if mapping else []


def _plain_types(kind: Any) -> set[Any]:
    """Return the scalar types of an annotation."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Annotated, NotRequired):
        return _plain_types(parts[0])
    if origin in (Union, types.UnionType):
        return set().union(*map(_plain_types, parts))
    return {kind} if kind in _WORDS else set()


def _fits(value: object, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        rules = [each for each in parts[1:] if isinstance(each, Allowed)]
        return _fits(value, parts[0]) and all(rule.holds(value) for rule in rules)
    if origin is NotRequired:
        return _fits(value, parts[0])
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if is_typeddict(kind):
        return isinstance(value, Mapping)
    if inspect.isclass(origin):
        return _fits_container(value, origin, parts)
    return _fits_scalar(value, kind)


def _fits_container(value: object, origin: type, parts: Sequence[Any]) -> bool:
    if issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, parts[0]) and _fits(inner, parts[1])
            for key, inner in value.items()
        )
    if issubclass(origin, Sequence):
        listed = isinstance(value, list | tuple)
        return listed and all(_fits(inner, parts[0]) for inner in value)  # type: ignore[attr-defined]
    return False


def _fits_scalar(value: object, kind: Any) -> bool:
    if kind in (Any, object):
        return True
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float)
        return number and not isinstance(value, bool) and _is_finite(value)
    return inspect.isclass(kind) and isinstance(value, kind)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
