"""How long a list of jobs will still take."""

import time
from collections import defaultdict
from collections.abc import Iterable

from micrec_pyg.durations import duration


class TimeLeft:
    """How long the rest takes, by what each label's runs took so far."""

    def __init__(self, labels: Iterable[str], workers: int) -> None:
        """Begin the clock.

        Args:
            labels: Of every job that is to be done.
            workers: Jobs at a time.
        """
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.waiting = list(labels)
        self._workers, self._began = workers, time.monotonic()

    def left(self) -> str:
        """Return the time that is left, in words.

        A finished run is only opened, but says how long it took. Where there were
        such, the rest may have more of them.
        """
        said = sum(map(sum, self.seconds.values()))
        spent = self._workers * (time.monotonic() - self._began)
        bound = "at most" if said > spent + 1 else "about"
        return f"{bound} {duration(self.left_s())} left"

    def left_s(self) -> float:
        """Return seconds; a label without a run counts as the mean of the others."""
        means = {label: sum(s) / len(s) for label, s in self.seconds.items()}
        other = sum(means.values()) / max(1, len(means))
        return sum(means.get(label, other) for label in self.waiting) / self._workers
