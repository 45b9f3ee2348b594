"""How much memory this process may still take."""

import resource
from collections.abc import Iterator
from pathlib import Path

import torch

MOUNT = "/sys/fs/cgroup"
"""Where Linux shows control groups: limits that systemd, Slurm and containers set."""


def free_bytes(device: str, taken: int = 0) -> int | None:
    """Return the free bytes of a device; None where the system does not tell.

    Args:
        device: cpu or cuda.
        taken: Bytes that this process has already and that the caller counts again.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_available(), *_group_limits(), _address_space(taken)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _available() -> int | None:
    """Return what Linux could give to a new process without swapping."""
    text = _read("/proc/meminfo")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    found = fields.get("MemAvailable")
    return None if found is None else int(found.split()[0]) * 1024


def _group_limits() -> Iterator[int]:
    """Yield the limit of every group that this process is in, up to the root.

    What a group uses may be cache, which it gives back, so it does not count.
    """
    for folder, name in _groups():
        text = _read(f"{folder}/{name}").strip()
        if text.isdecimal():  # "max": no limit
            yield int(text)


def _groups() -> Iterator[tuple[str, str]]:
    """Yield the folder of every group, and the name of its file with the limit."""
    # of the root too: in a container the paths may be those outside of it
    places = [(MOUNT, "/", "memory.max"), *_memberships()]
    for mount, path, name in places:
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            yield "/".join([mount, *parts[:depth]]), name


def _memberships() -> Iterator[tuple[str, str, str]]:
    """Yield where groups are shown, the path of ours, and the file with the limit."""
    yield f"{MOUNT}/memory", "/", "memory.limit_in_bytes"
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2, which a system may have beside version 1
            yield MOUNT, path, "memory.max"
            yield f"{MOUNT}/unified", path, "memory.max"
        elif "memory" in controllers.split(","):
            yield f"{MOUNT}/memory", path, "memory.limit_in_bytes"


def _address_space(taken: int) -> int | None:
    """Return what the limit of addresses (ulimit -v) leaves, beside what is taken."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _read("/proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return max(limit - int(pages[0]) * resource.getpagesize(), 0) + taken


def _read(path: str) -> str:
    """Return the text of a file of the system, empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
