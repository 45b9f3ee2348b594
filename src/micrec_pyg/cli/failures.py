"""A command's exceptions -> one sentence and an exit code."""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from micrec_pyg.cli.sentences import FAILED, REFUSED, say
from micrec_pyg.schema import InputError
from micrec_pyg.storage.failures import sentence

DEBUG = "MICREC_DEBUG"
"""Environment variable; 1 shows the traceback of an unexpected error."""

_FULL = ("can't allocate memory", "CUDA out of memory")
"""What torch says, in a RuntimeError, where memory is used up."""


def attempt(command: Callable[[], int]) -> int:
    """Return the exit code of a command; whatever it raises becomes one sentence."""
    try:
        code = command()
        # a pipe that its reader closed is noticed here, not when Python ends
        sys.stdout.flush()
    # Here, and around the jobs of a sweep, everything is caught: a user gets a sentence
    # and a file to report, not a page of our code. Nothing is hidden: the file has the
    # whole traceback, and the exit code is that of a failure.
    except Exception as error:
        code, text = told(error)
        say(text)
        _end_stdout()
    return code


def _end_stdout() -> None:
    """Drop what stdout did not take; else Python tries again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def told(error: Exception) -> tuple[int, str]:
    """Return the exit code and the sentence of an error."""
    if isinstance(error, InputError):
        return REFUSED, str(error)
    if isinstance(error, BrokenPipeError):
        return FAILED, "what read the output has closed it"
    if isinstance(error, OSError):
        return FAILED, sentence(error)
    if isinstance(error, FloatingPointError):  # a loss that is no number
        return FAILED, str(error)
    if isinstance(error, MemoryError) or any(said in str(error) for said in _FULL):
        return FAILED, (
            "the memory is used up; lower model.net.dim, K or rank.batch_size"
        )
    return FAILED, _unexpected(error)


def _unexpected(error: Exception) -> str:
    full = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG) == "1":
        sys.stderr.write(full)
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    what = f"{kind}: {lines[0]}" if lines else kind
    place = _written(full)
    if place is None:
        return f"unexpected error: {what}; {DEBUG}=1 shows where it arose"
    return (
        f"unexpected error: {what}; {place} says where it arose: please report it "
        f"({DEBUG}=1 shows it here)"
    )


def _written(full: str) -> Path | None:
    """Return the file that has the traceback now; None where none can be written."""
    name = f"micrec-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (Path.cwd, lambda: Path(tempfile.gettempdir())):
        try:
            path = folder() / name
            path.write_text(full, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return path
    return None
