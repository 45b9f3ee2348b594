"""The options of ``filters``, checked."""

import datetime
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from micrec_pyg.schema import InputError

POLICIES = ("first", "last", "error")
SCOPES = ("domain", "union")
WHO = ("all", "shared")
_NEUTRAL: Mapping[str, object] = {
    "time_from": None,
    "time_to": None,
    "min_text": 0,
    "user_core": 0,
    "item_core": 0,
    "core_of": "domain",
    "users": "all",
}


@dataclass(frozen=True)
class Filters:
    """Which interactions and items stay; ``filters`` has the steps in their order."""

    duplicates: str
    """Which row of a repeated pair stays: first, last (by time), or error."""
    rating_min: float | None
    """Least rating kept; None keeps all."""
    time_from: str | None
    """First moment kept, as it was written; None is open."""
    time_to: str | None
    """First moment not kept any more; None is open."""
    bounds: tuple[int | None, int | None]
    """The two in Unix seconds."""
    min_text: int
    """Least number of characters of an item's text; 0 keeps all items."""
    user_core: int
    """Least number of interactions per user."""
    item_core: int
    """Least number of interactions per item; 0 keeps items without any."""
    core_of: str
    """Where a user's interactions are counted: in each domain, or in their union."""
    users: str
    """Who stays: all, or those shared by every domain."""

    @property
    def window(self) -> str | None:
        """Return the time window in words, None without one."""
        if self.bounds == (None, None):
            return None
        words = (("from", self.time_from), ("before", self.time_to))
        return " ".join(f"{word} {at}" for word, at in words if at is not None)

    def key(self) -> dict[str, object]:
        """Return all that decides the result, for a digest and a data card."""
        return {
            "duplicates": self.duplicates,
            "rating_min": self.rating_min,
            "time_from": self.bounds[0],
            "time_to": self.bounds[1],
            "min_text": self.min_text,
            "user_core": self.user_core,
            "item_core": self.item_core,
            "core_of": self.core_of,
            # without it the data is as it was before there was this choice
            **({"users": self.users} if self.users != "all" else {}),
        }

    @property
    def joins_domains(self) -> bool:
        """Return whether what stays of one domain depends on the others."""
        core = self.user_core > 1 or self.item_core > 0
        return self.users == "shared" or (self.core_of == "union" and core)


def read_filters(options: object, *, rating_min: object, duplicates: object) -> Filters:
    """Return the checked form of the options; None filters nothing.

    Raises:
        InputError: a key is unknown, or a value is impossible.
    """
    if not isinstance(options, Mapping | None):
        raise InputError(f"filters={options!r}; needed: {{{', '.join(_NEUTRAL)}}}")
    given = dict(options or {})
    for name in given:
        if name not in _NEUTRAL:
            near = difflib.get_close_matches(str(name), _NEUTRAL, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(
                f"filters.{name} is unknown; valid: {', '.join(_NEUTRAL)}{hint}"
            )
    if duplicates not in POLICIES:
        raise InputError(
            f"duplicates={duplicates!r} is unknown; valid: {', '.join(POLICIES)}"
        )
    whole = {**_NEUTRAL, **given}
    for key, valid in (("core_of", SCOPES), ("users", WHO)):
        if whole[key] not in valid:
            raise InputError(
                f"filters.{key}={whole[key]!r} is unknown; valid: {', '.join(valid)}"
            )
    start, end = (_moment(whole[key], key) for key in ("time_from", "time_to"))
    if start is not None and end is not None and start >= end:
        raise InputError(
            f"filters: time_from={whole['time_from']} is not before "
            f"time_to={whole['time_to']}"
        )
    return Filters(
        duplicates=str(duplicates),
        rating_min=_number(rating_min),
        time_from=None if start is None else str(whole["time_from"]),
        time_to=None if end is None else str(whole["time_to"]),
        bounds=(start, end),
        min_text=_count(whole["min_text"], "min_text"),
        user_core=_count(whole["user_core"], "user_core"),
        item_core=_count(whole["item_core"], "item_core"),
        core_of=str(whole["core_of"]),
        users=str(whole["users"]),
    )


def _number(value: object) -> float | None:
    """Return a rating threshold, None without one."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and math.isfinite(float(str(value)))):
        raise InputError(f"rating_min={value!r}; needed: a number, or null")
    return None if value is None else float(str(value))


def _count(value: object, name: str) -> int:
    """Return a whole number of 0 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"filters.{name}={value!r}; needed: a whole number, 0 or more")
    return value


def _moment(value: object, name: str) -> int | None:
    """Return a moment in Unix seconds; dates without a zone are UTC."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(
            f"filters.{name}={value!r}; needed: a date as 2016-05-31, or Unix seconds"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp())
