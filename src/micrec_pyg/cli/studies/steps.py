"""What is measured on a trained and tested run beside its metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Measure = Callable[[Path, Sequence[int]], None]

SUPPORT = "support_edges"


@dataclass(frozen=True)
class Step:
    """A measurement of a run; what it found lies in the folder of the run."""

    name: str
    """A key of ``MEASURES``."""
    values: tuple[int, ...] = ()
    """Its argument."""

    @classmethod
    def of(cls, text: str) -> "Step":
        """Return the step that ``support_edges 0 1 2`` stands for."""
        name, *values = text.split()
        return cls(name, tuple(map(int, values)))

    def take(self, folder: Path) -> None:
        """Measure a run, unless that was done.

        Raises:
            InputError: The folder is no finished run, or cannot be measured.
        """
        MEASURES[self.name](folder, self.values)


def _support_edges(folder: Path, counts: Sequence[int]) -> None:
    # torch takes seconds to load, and who plans a study need not wait for that
    from micrec_pyg.runs.support import measure_support

    measure_support(folder, counts)


def _alignment(folder: Path, counts: Sequence[int]) -> None:
    from micrec_pyg.runs.alignment import measure_alignment

    measure_alignment(folder)


def _evaluators(folder: Path, counts: Sequence[int]) -> None:
    from micrec_pyg.runs.evaluators import measure_evaluators

    measure_evaluators(folder, *counts)


MEASURES: Mapping[str, Measure] = {
    SUPPORT: _support_edges,
    "alignment": _alignment,
    "evaluators": _evaluators,
}
"""By name."""
