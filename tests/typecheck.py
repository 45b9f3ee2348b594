"""How signatures are checked while tests run (see addopts in pyproject.toml)."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cache, partial, wraps
from threading import local
from types import CodeType
from typing import Any, ForwardRef, Literal, get_args, get_origin

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, _array_types, _storage, jaxtyped

# As mypy has it, an int will do where a float is asked for: `gamma: 1` in a yaml.
check = beartype(
    conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError),
)


def lightly_typed(found: Any = None, *, typechecker: Callable[[Any], Any]) -> Any:
    """Return a function or dataclass whose signature is checked at every call.

    The checks are those of jaxtyping's own decorator, which in the tests of models
    takes as long as the models: it binds the arguments of every call by name, checks
    them twice, and does so for functions without any tensor as well.

    Args:
        found: What is decorated; None returns a decorator.
        typechecker: ``check``, as the import hook gives it.
    """
    if found is None:
        return partial(lightly_typed, typechecker=typechecker)
    if inspect.isclass(found):
        if is_dataclass(found) and "__init__" in vars(found):
            found.__init__ = lightly_typed(found.__init__, typechecker=typechecker)
        return found
    inner = "<locals>" in found.__qualname__
    if inner and not inspect.iscoroutinefunction(found):
        return _inner(found, typechecker)
    return _typed(found, typechecker)


def _typed(found: Callable[..., Any], typechecker: Callable[[Any], Any]) -> Any:
    """Return a function whose signature is checked at every call."""
    parts = [*_parts(list(found.__annotations__.values()))]
    if any(isinstance(part, str | ForwardRef) for part in parts):
        # names that only mypy sees: jaxtyping passes over them
        return jaxtyped(found, typechecker=typechecker)
    checked = typechecker(found)
    arrays = [p for p in parts if inspect.isclass(p) and issubclass(p, AbstractArray)]
    if any("{" in array.dim_str for array in arrays):
        # a size that is an argument, which is looked up by its name
        return jaxtyped(checked, typechecker=None)
    return _in_one_context(checked) if arrays else checked


def _in_one_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function in whose arguments and result a letter is one size."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _storage.push_shape_memo({})
        try:
            return function(*args, **kwargs)
        finally:
            _storage.pop_shape_memo()

    return call


MADE: dict[CodeType, Callable[..., Any]] = {}
"""The check of each function that is defined anew by every call of another."""
MEANT = local()


def _inner(found: Callable[..., Any], typechecker: Callable[[Any], Any]) -> Any:
    """Return a checked function that was defined inside of another.

    Its check takes a thousand times as long to make as to pass, and is the same for
    all that one line defines: it is made once, of a function that calls the one meant.
    """
    if found.__code__ not in MADE:

        @wraps(found)
        def meant(*args: Any, **kwargs: Any) -> Any:
            return MEANT.function(*args, **kwargs)

        MADE[found.__code__] = _typed(meant, typechecker)
    checked = MADE[found.__code__]

    @wraps(found)
    def call(*args: Any, **kwargs: Any) -> Any:
        MEANT.function = found
        return checked(*args, **kwargs)

    return call


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and all that it is made of."""
    if get_origin(annotation) is Literal:
        return  # its parts are values
    if isinstance(annotation, list):  # the arguments of a Callable
        inner = tuple(annotation)
    else:
        yield annotation
        inner = get_args(annotation)
    for part in inner:
        yield from _parts(part)


@cache
def _axes(kind: type[AbstractArray]) -> list[str | int | None] | None:
    """Return the axes of a kind of array: name, size or None, where any will do.

    None for a kind with an axis that is none of these.
    """
    found: list[str | int | None] = []
    for axis in kind.dims:
        if axis is _array_types._anonymous_dim:
            found.append(None)
        elif type(axis) is _array_types._FixedDim and not axis.broadcastable:
            found.append(axis.size)
        elif (
            type(axis) is _array_types._NamedDim
            and not axis.broadcastable
            and not axis.treepath
        ):
            found.append(axis.name)
        else:
            return None
    return found


asked = _array_types._MetaAbstractArray.__instancecheck__
ACCEPTED: set[tuple[type[AbstractArray], Any]] = set()
"""Kinds of arrays, each with a dtype that jaxtyping has accepted for it."""


def _fits(kind: type[AbstractArray], value: Any) -> bool:
    """Return whether a value is an array of this kind, as jaxtyping has it.

    Jaxtyping looks up dtypes by name and copies all sizes, for every tensor. It is
    asked for the first tensor of a dtype; of the next, only the sizes are compared.
    """
    axes = _axes(kind)
    dtype = getattr(value, "dtype", None)
    if (kind, dtype) not in ACCEPTED or not isinstance(value, kind.array_type):
        good = asked(kind, value)
        if good and axes is not None:
            ACCEPTED.add((kind, dtype))
        return good
    shape = value.shape
    if len(shape) != len(axes):
        return False
    known = _storage.get_shape_memo()[0]
    sizes = known.copy()
    for axis, size in zip(axes, shape, strict=True):
        if axis is not None:
            wanted = axis if type(axis) is int else sizes.setdefault(axis, size)
            if wanted != size:
                return False
    known.update(sizes)
    return True


_array_types._MetaAbstractArray.__instancecheck__ = _fits
# The import hook decorates by this name.
jaxtyping.jaxtyped = lightly_typed
