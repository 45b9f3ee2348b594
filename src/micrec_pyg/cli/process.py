"""Settings of the process that a command runs in; safe to repeat."""

import ctypes
import io
import logging
import os
import platform
import re
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST = 2**31 - 1
_LARGEST_OLD_GLIBC = 32 * 2**20
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that command a terminal, turn text around, or have no encoding."""


def prepare() -> None:
    """Make memory cheap to reuse and keep libraries off the network by default."""
    keep_freed_memory()
    # Defaults alone: whoever sets these variables decides. wandb's mode is in
    # conf/logger; its variable makes other libraries write to stdout.
    # torch reads the first one at its first allocation: tables on huge pages save
    # address look-ups in every sparse product.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class PrintableFormatter(logging.Formatter):
    """Formats log lines so that what they quote cannot command the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record with every control character escaped."""
        return printable(super().format(record))


def printable(text: str) -> str:
    r"""Return a text with control characters escaped, as ``\x1b``.

    Ids, names and cells come from files of others; raw, they could move the cursor,
    change colours or hide what follows. Line feeds and tabs stay.
    """
    return _UNPRINTABLE.sub(
        lambda found: found[0].encode("unicode_escape").decode("ascii"), text
    )


def whole_streams() -> None:
    """Let stdout lose nothing, and let there be one.

    With PYTHONUNBUFFERED=1 Python leaves out what a full disk did not take, without a
    word; a process may also be started without stdout or stderr.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif stream is not getattr(sys, f"__{name}__"):
            continue  # whoever put another one there decides
        elif isinstance(raw := stream.buffer, io.RawIOBase):
            kept = {"encoding": stream.encoding, "errors": stream.errors}
            buffer = io.BufferedWriter(raw)
            setattr(sys, name, io.TextIOWrapper(buffer, **kept, line_buffering=True))


def show(text: str) -> None:
    """Write a text that may quote files to stdout, see ``printable``."""
    sys.stdout.write(printable(text))


def log_to_stderr(level: int = logging.INFO) -> logging.Handler:
    """Show our own log lines, and what libraries warn of, on stderr.

    Args:
        level: From which on our own are shown.

    Returns:
        What writes them.
    """
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[console], force=True)
    logging.getLogger("micrec_pyg").setLevel(level)
    return console


def keep_freed_memory() -> bool:
    """Return whether malloc now keeps freed memory; only glibc can be told so.

    By default glibc maps every big tensor anew and returns it when freed. Training
    frees and asks for the same tens of megabytes at each step, and every fresh page
    costs a fault and its zeroing: a good part of a training step on a CPU.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Older versions refuse a threshold above half a heap.
    accepted = mallopt(_M_MMAP_THRESHOLD, _LARGEST) or mallopt(
        _M_MMAP_THRESHOLD, _LARGEST_OLD_GLIBC
    )
    return bool(accepted and mallopt(_M_TRIM_THRESHOLD, _LARGEST))
