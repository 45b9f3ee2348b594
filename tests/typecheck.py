"""How signatures are checked while tests run (see addopts in pyproject.toml)."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import partial, wraps
from typing import Any, ForwardRef, Literal, get_args, get_origin

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, jaxtyped

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
        with jaxtyped("context"):
            return function(*args, **kwargs)

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


# The import hook decorates by this name.
jaxtyping.jaxtyped = lightly_typed
