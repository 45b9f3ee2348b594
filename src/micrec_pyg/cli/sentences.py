"""How a command tells its end: one line on stderr, and an exit code."""

import sys
import textwrap

from micrec_pyg.cli.process import printable

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


WIDTH = 80
"""Of a terminal, in characters."""


def entry(name: str, what: str, width: int) -> str:
    """Return an entry of a list on a help page, in lines of a terminal's width.

    Args:
        name: What is explained.
        what: The explanation.
        width: Of the column of names.
    """
    return textwrap.fill(
        what,
        width=WIDTH,
        initial_indent=f"  {name:<{width}}",
        subsequent_indent=" " * (width + 2),
        break_on_hyphens=False,
    )


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
