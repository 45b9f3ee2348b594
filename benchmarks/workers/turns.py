"""How a contender talks to the benchmark; standard library only.

It reports a line of JSON when it is ready and after every turn, then waits for a
line that asks for the next turn. It ends when nobody asks any more.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

_UNIT = 2**20 if sys.platform == "darwin" else 2**10
"""What ``ru_maxrss`` counts in, bytes or kilobytes, by the megabyte."""


_ENDLESS = 10**6
EPOCHS_ALONE = [
    f"fit.max_epochs={_ENDLESS}",
    f"fit.patience={_ENDLESS}",
    f"fit.eval_every={_ENDLESS + 1}",
    f"fit.checkpoint_every_s={_ENDLESS}",
]
"""Settings of ours: validation and checkpoints are not part of an epoch."""


class Turns:
    """The two pipes to the benchmark."""

    def __init__(self) -> None:
        """Take stdout for the reports; whatever else prints goes to stderr."""
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def done(self, **report: Any) -> str:
        """Report, then return the next request; it is empty where one thing is done.

        Raises:
            SystemExit: There is none.
        """
        report["peak_mb"] = peak_mb()
        self._out.write(json.dumps(report) + "\n")
        self._out.flush()
        request = sys.stdin.readline()
        if not request:
            raise SystemExit
        return request.strip()

    def repeat(self, turn: Callable[[], object], **ready: Any) -> NoReturn:
        """Take a turn to warm up, report, then take one per request.

        Args:
            turn: Timed.
            ready: Reported after the first one.
        """
        turn()
        self.done(**ready)
        while True:
            begin = time.perf_counter()
            turn()
            self.done(seconds=time.perf_counter() - begin)


def peak_mb() -> float:
    """Return the most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT


def arguments() -> dict[str, Any]:
    """Return what the benchmark passed on the command line."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found
