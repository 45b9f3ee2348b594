"""A search space: by key, the choices or the bounds of what is searched."""

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from micrec_pyg.cli.sweep_jobs import SEED, changes_task
from micrec_pyg.schema import InputError

Choice = Mapping[str, Any]
"""``choices``, or ``low`` and ``high`` and perhaps ``log``."""

KEYS = ({"choices"}, {"low", "high"}, {"low", "high", "log"})

LARGEST = 2**53
"""Of a bound: up to it whole numbers and decimals are exact."""


def check_space(space: Mapping[Any, object]) -> dict[str, Choice]:
    """Return a search space, checked.

    Raises:
        InputError: A key has neither choices nor bounds, or its bounds are no numbers;
            or it decides what validation asks.
    """
    found: dict[str, Choice] = {}
    for key, given in space.items():
        if not isinstance(key, str):
            raise InputError(f"search space, {key}: give the name of a setting as key")
        if key == SEED or changes_task(key):
            raise InputError(
                f"search space, {key}: trials are compared by validation on one split "
                "of one data set; leave it out, and search once for each"
            )
        if not isinstance(given, dict) or set(given) not in KEYS:
            raise InputError(
                f"search space, {key}: give {{choices: [...]}}, or {{low: ..., high: "
                "..., log: true}"
            )
        choices, bounds = given.get("choices"), (given.get("low"), given.get("high"))
        if "choices" in given and not _are_choices(choices):
            raise InputError(
                f"search space, {key}: choices is a list of different texts, numbers, "
                "true, false or null, with at least one"
            )
        log = given.get("log", False)
        if not isinstance(log, bool):
            raise InputError(f"search space, {key}: log is true or false")
        if "low" in given and not _are_bounds(*bounds, log=log):
            raise InputError(
                f"search space, {key}: low and high are numbers of one kind, low below "
                "high, and above 0 with log"
            )
        found[key] = given
    return found


def ends(space: Mapping[str, Choice]) -> list[list[str]]:
    """Return overrides that have every choice and every bound of a space once."""
    values = [
        choice.get("choices") or [choice["low"], choice["high"]]
        for choice in space.values()
    ]
    return [
        [
            override(key, each[min(n, len(each) - 1)])
            for key, each in zip(space, values, strict=True)
        ]
        for n in range(max(map(len, values)))
    ]


def given_values(
    space: Mapping[str, Choice], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the choices or values of a space that settings have, by key."""
    found = {}
    for key, choice in space.items():
        value: Any = settings
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if "choices" in choice:
            for each in choice["choices"]:
                if _read(key, each) == value:
                    found[key] = each
        elif isinstance(value, int | float) and (
            choice["low"] <= value <= choice["high"]
        ):
            found[key] = value
    return found


def _read(key: str, choice: object) -> object:
    """Return what a run gets for a choice: a text may stand for a list, or null."""
    return OverridesParser.create().parse_override(override(key, choice)).value()


def override(key: str, value: object) -> str:
    """Return the setting of a key to a value."""
    return f"{key}={written(value)}"


def written(value: object) -> str:
    """Return a value as it is given on the command line."""
    return "null" if value is None else str(value)


def told(choice: Choice) -> str:
    """Return what may be drawn, in words."""
    if "choices" in choice:
        return ", ".join(written(each) for each in choice["choices"])
    scale = ", drawn by its logarithm" if choice.get("log") else ""
    return f"{choice['low']} to {choice['high']}{scale}"


def _are_choices(given: object) -> bool:
    """Return whether Optuna can keep these choices, and tell one from another."""
    if not isinstance(given, list) or not given:
        return False
    plain = all(each is None or isinstance(each, str | int | float) for each in given)
    return plain and len(set(given)) == len(given)  # 1 and true are one


def _are_bounds(low: object, high: object, *, log: bool) -> bool:
    numbers = isinstance(low, int | float) and type(low) in (int, float)
    if not numbers or type(low) is not type(high):
        return False
    least = 0 if log else -LARGEST
    return bool(least < low < high <= LARGEST)  # type: ignore[operator]
