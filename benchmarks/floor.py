"""The least time of a training step: the bytes it moves at the speed of a copy."""

import statistics
import time

import torch

WORD = 4
"""Bytes of a float32, and of an index below 2^31."""
COPIES = 9


def bytes_of_step(nodes: int, edges: int, dim: int, num_layers: int) -> int:
    """Return the bytes that a step of LightGCN reads and writes, at least.

    Every product reads, for each edge and direction, an index, a weight and a row of
    the other side, and writes a row per node. There are L - 1 such products forward
    and as many backward. One more of the backward pass reads the few rows of a batch,
    which the cache may hold: its edges and what it writes count. Adam reads values,
    gradients and two moments and writes all but the gradients. What is done for the
    rows of a batch alone is left out.

    Args:
        nodes: Users and items.
        edges: Of the training graph.
        dim: Width d.
        num_layers: L, at least 1.
    """
    row = WORD * dim
    product = 2 * edges * (2 * WORD + row) + nodes * row
    first_of_backward = 2 * edges * 2 * WORD + nodes * row
    adam = 7 * nodes * row
    return 2 * (num_layers - 1) * product + first_of_backward + adam


def copy_speed(size: int, device: str = "cpu") -> float:
    """Return the bytes per second, read or written, of copies of ``size`` bytes."""
    source = torch.ones(max(1, size // WORD), device=device)
    target = torch.empty_like(source).copy_(source)
    seconds = []
    for _ in range(COPIES):
        _wait(device)
        begin = time.perf_counter()
        target.copy_(source)
        _wait(device)
        seconds.append(time.perf_counter() - begin)
    return 2 * WORD * len(source) / statistics.median(seconds)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
