"""Ctrl-C: the first one interrupts a command, those right after it change nothing."""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from micrec_pyg.cli.sentences import INTERRUPTED

PATIENCE_S = 10.0
"""How long a command may take to end; a Ctrl-C after that interrupts it again."""


@contextmanager
def one_interruption() -> Iterator[None]:
    """Let several Ctrl-C in a row count as one, until the process has ended.

    A second one in the midst of what the first one sets off would show a traceback,
    and leave worker processes and semaphores behind: blocks that are left, or Python's
    own end. So the handler stays when the block has ended, also by itself.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # whoever started this process decides, such as nohup
        return
    handler = _Handler()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        handler.end()


class _Handler:
    def __init__(self) -> None:
        self._last = -math.inf
        self._ending = False

    def end(self) -> None:
        """Count everything from now on as a Ctrl-C during the end of the process."""
        self._last = time.monotonic()
        self._ending = True

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the command, unless that was done a moment ago."""
        if time.monotonic() < self._last + PATIENCE_S:
            return
        self._last = time.monotonic()
        if self._ending:
            os._exit(INTERRUPTED)  # something hangs; an exception would not reach it
        raise KeyboardInterrupt
