"""How a command tells its end: one line on stderr, and an exit code."""

import sys

from micrec_pyg.cli.process import printable

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


def refuse(message: str) -> int:
    """Print a message as one line and return the exit code of refused input."""
    say(message)
    return REFUSED


def fail(message: str) -> int:
    """Print a message as one line and return the exit code of a failure."""
    say(message)
    return FAILED


def say(message: str) -> None:
    """Print a message as one line."""
    sys.stderr.write(f"micrec: {printable(' '.join(message.split()))}\n")
