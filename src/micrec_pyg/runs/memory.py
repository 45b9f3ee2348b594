"""Whether a run fits in memory, estimated before it starts."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.schema import EdgeSplit, InputError

logger = logging.getLogger(__name__)

FLOAT = 4
"""Bytes of a float32."""
PER_EDGE = 132
"""Bytes of an interaction: CSR in both directions, weights, and the order of the
transposed ones (36), labels and the samplers' index (56), weights of one step (40)."""
PER_NEIGHBOR = 40
"""Bytes of a similarity edge: twice CSR, the order, the weights of one step."""
TABLES = 9
"""Tables [nodes, d] at the peak of a step: parameters, gradient, two moments, the
best epoch's copy, and what a propagation and its gradient hold at once."""
RUNTIME = 800 * 2**20
"""Bytes of Python, torch and the other libraries."""


def check_memory(experiment: Experiment, splits: Mapping[str, EdgeSplit]) -> None:
    """Refuse a run that would not fit; called before graphs are built.

    Raises:
        InputError: The estimate is above what the device has free.
    """
    needed, free = estimate(experiment, splits), free_bytes(experiment.device)
    logger.info("memory: about %.1f GiB are needed", needed / 2**30)
    if free is not None and needed > free:
        raise InputError(
            f"this run needs about {needed / 2**30:.1f} GiB on {experiment.device} and "
            f"{free / 2**30:.1f} GiB are free; lower model.net.dim, K or "
            "rank.batch_size, take fewer domains, or filter the data (k-core)"
        )


def estimate(experiment: Experiment, splits: Mapping[str, EdgeSplit]) -> int:
    """Return the bytes that training and evaluation need at their peak.

    From nodes, edges, d, K and the ranking batch; by design an upper estimate, as
    the growth part of docs/performance.md measures.
    """
    dim = experiment.dim
    neighbors = experiment.graph.num_neighbors
    users_at_once = experiment.users_at_once
    total = RUNTIME
    largest = 0
    for split in splits.values():
        users, items = len(split.seen_user), len(split.seen_item)
        edges = split.known_at_test.shape[1]
        total += (users + items) * dim * FLOAT * TABLES
        total += edges * PER_EDGE
        total += (users + items) * neighbors * PER_NEIGHBOR
        largest = max(largest, items)
    # scores of one block of users, and the copy that the top-k works on
    return total + 2 * users_at_once * largest * FLOAT


def free_bytes(device: str) -> int | None:
    """Return the free bytes of a device; None where the system does not tell."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_available(), _group_limit()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _available() -> int | None:
    """Return what Linux could give to a new process without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    found = fields.get("MemAvailable")
    return None if found is None else int(found.split()[0]) * 1024


def _group_limit() -> int | None:
    """Return the limit of a container; what it uses may be cache, so it counts not."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # versions 2 and 1
        try:
            text = (Path("/sys/fs/cgroup") / name).read_text().strip()
        except OSError:
            continue
        if text != "max":
            return int(text)
    return None
