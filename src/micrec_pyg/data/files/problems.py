"""What is wrong with a data set, in one form for readers and ``micrec data check``.

A reader stops at the first error; a check collects all of them. Both go through the
same code, so that what a check passes can be read.
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.schema import InputError

log = logging.getLogger(__name__)


def printable(name: str | Path) -> str:
    """Return the name of a file as text; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode(errors="replace")


@dataclass(frozen=True)
class Problem:
    """One fault: where it is, what was found and needed, and how to mend it."""

    file: Path
    fault: str
    """What was found and what is needed."""
    mend: str = ""
    """What to do about it."""
    place: str = ""
    """Such as ``line 7``."""
    column: str = ""
    error: bool = True
    """False for a warning: the data can be read, but may not be what was meant."""

    def __str__(self) -> str:
        """Return the problem as one sentence that begins with the file."""
        column = f"column '{self.column}'" if self.column else ""
        named = printable(self.file), printable(self.place), column
        where = ", ".join(part for part in named if part)
        return f"{where}: {self.fault}{f'; {self.mend}' if self.mend else ''}"


class Problems:
    """The problems found so far; of each file only the first are kept, all counted."""

    def __init__(self, *, limit: int | None) -> None:
        """Start with no problem noted.

        Args:
            limit: how many problems of a file are kept; None raises the first error
                as an ``InputError`` and logs warnings.
        """
        self.limit = limit
        self.found: list[Problem] = []
        self._count: Counter[tuple[Path, bool]] = Counter()

    def add(self, problem: Problem, *, more: int = 0) -> None:
        """Note a problem, and that ``more`` of the same kind are in the file.

        Raises:
            InputError: the problem is an error and errors are not collected.
        """
        if self.limit is None:
            rest = f" ({more} more such rows in this file)" if more else ""
            if problem.error:
                raise InputError(f"{problem}{rest}")
            log.warning("%s%s", problem, rest)
            return
        key = (problem.file, problem.error)
        if self._count[key] < self.limit:
            self.found.append(problem)
        self._count[key] += 1 + more

    def add_rows(self, first: Sequence[Problem], total: int) -> None:
        """Note one kind of problem of ``total`` rows, of which ``first`` are given.

        Raises:
            InputError: as ``add``.
        """
        if self.limit is None:
            self.add(first[0], more=total - 1)
            return
        for problem in first[:-1]:
            self.add(problem)
        self.add(first[-1], more=total - len(first))

    @property
    def wanted(self) -> int:
        """Return how many problems of one kind are worth describing."""
        return 1 if self.limit is None else max(1, self.limit)

    @property
    def errors(self) -> int:
        """Return how many errors were met, those not kept among them."""
        return sum(n for (_, error), n in self._count.items() if error)

    @property
    def warnings(self) -> int:
        """Return how many warnings were met, those not kept among them."""
        return sum(n for (_, error), n in self._count.items() if not error)

    def not_kept(self, file: Path) -> int:
        """Return how many problems of a file were counted but not kept."""
        kept = sum(problem.file == file for problem in self.found)
        return self._count[file, True] + self._count[file, False] - kept


STRICT = Problems(limit=None)
"""Raises the first error; it keeps nothing, so that all readers can share it."""
