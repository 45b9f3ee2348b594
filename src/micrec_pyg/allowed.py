"""Types of settings that say which values they allow.

A signature that uses them states the range of an argument where the argument is
declared. ``runs.settings`` refuses other values before it calls anything.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Allowed:
    """Stands in an ``Annotated`` type: which of its values are allowed."""

    words: str
    """They complete the sentence "give ..."."""
    holds: Callable[[Any], bool]
    """Whether a value of the type is allowed."""


def one_of(*names: str) -> Allowed:
    """Return what allows these names alone."""
    return Allowed(f"one of {', '.join(names)}", names.__contains__)


def _are_cut_offs(values: Sequence[int]) -> bool:
    return bool(values) and min(values) >= 1 and len(set(values)) == len(values)


def _are_widths(values: Sequence[int]) -> bool:
    return bool(values) and min(values) >= 1


def _are_ratios(values: Sequence[int | float]) -> bool:
    return len(values) == 3 and values[0] > 0 and min(values) >= 0


LARGEST = 2**31
"""Whole numbers are below it: libraries count in 32 or 64 bits."""

Count = Annotated[
    int,
    Allowed("a whole number of 1 or more, below 2^31", lambda n: 1 <= n < LARGEST),
]
Natural = Annotated[
    int,
    Allowed("a whole number of 0 or more, below 2^31", lambda n: 0 <= n < LARGEST),
]
Layers = Annotated[
    int, Allowed("a whole number of 0 or more, at most 1000", lambda n: 0 <= n <= 1000)
]
Depth = Annotated[
    int, Allowed("a whole number of 1 or more, at most 1000", lambda n: 1 <= n <= 1000)
]
Seed = Annotated[
    int,
    Allowed("a whole number of 0 or more, below 2^63", lambda n: 0 <= n < 2**63),
]
Positive = Annotated[int | float, Allowed("a number above 0", lambda x: x > 0)]
NotNegative = Annotated[int | float, Allowed("a number of 0 or more", lambda x: x >= 0)]
Share = Annotated[int | float, Allowed("a number in [0, 1]", lambda x: 0 <= x <= 1)]
PartialShare = Annotated[
    int | float,
    Allowed("a number of at least 0, below 1", lambda x: 0 <= x < 1),
]
PositiveShare = Annotated[
    int | float,
    Allowed("a number above 0, at most 1", lambda x: 0 < x <= 1),
]
CutOffs = Annotated[
    Sequence[int],
    Allowed(
        "a list of different whole numbers of 1 or more, such as [10,20]", _are_cut_offs
    ),
]
Widths = Annotated[
    Sequence[int],
    Allowed("a list of whole numbers of 1 or more, such as [64,32]", _are_widths),
]
PerHop = Annotated[
    Sequence[int],
    Allowed(
        "a list of the neighbours to sample at each hop, such as [10,5]; -1 takes all",
        lambda values: bool(values) and all(n == -1 or 0 < n < LARGEST for n in values),
    ),
]
Weights = Annotated[
    Sequence[int | float],
    Allowed(
        "a list of numbers of 0 or more, such as [0,0.5,1]",
        lambda values: bool(values) and min(values) >= 0,
    ),
]
Ratios = Annotated[
    Sequence[int | float],
    Allowed(
        "three numbers for train (above 0), validation and test, such as [7,1,2]",
        _are_ratios,
    ),
]
Device = Annotated[
    str,
    Allowed(
        "cpu, cuda or cuda:<number>",
        lambda name: re.fullmatch(r"cpu|cuda(:\d{1,3})?", name) is not None,
    ),
]
FolderName = Annotated[
    str,
    Allowed(
        "a name for a folder, of at most 200 bytes, without / and control characters, "
        "not . or ..",
        lambda name: (
            name not in ("", ".", "..")
            and not re.search("[/\x00-\x1f\x7f]", name)
            and len(name.encode()) <= 200
        ),
    ),
]


def is_share(value: Any) -> bool:
    """Return whether a value is a number in [0, 1]."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= 1
