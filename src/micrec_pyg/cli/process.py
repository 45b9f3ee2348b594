"""Settings of the process that a command runs in; safe to repeat."""

import ctypes
import logging
import os
import platform
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST = 2**31 - 1
_LARGEST_OLD_GLIBC = 32 * 2**20


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


def log_to_stderr() -> None:
    """Show our own log lines, and what libraries warn of, on stderr."""
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("micrec_pyg").setLevel(logging.INFO)


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
