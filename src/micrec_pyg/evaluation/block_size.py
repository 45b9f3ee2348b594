"""How many users are ranked at once, and in how many threads.

A choice of time and memory, not of lists.
"""

from typing import Literal

import torch

from micrec_pyg.allowed import Count

BlockSize = Count | Literal["auto"]
"""Users per block; ``auto`` follows the device and the catalogue."""

CPU_USERS = 256
"""So few that the scores of some ten thousand items stay near the cache."""
CPU_SCORES = 2**21
"""Scores of a block on a CPU (8 MB): a small catalogue takes more users at once."""
CPU_SCORES_AT_ONCE = 2**28
"""Most scores of all threads together (1 GiB); of one block, if it has more."""
CUDA_USERS = 8192
"""So many that the device has work while the host prepares the next block."""
CUDA_BYTES = 2 * 2**30
"""Of the scores of a block on CUDA, and of the copy that the top-k works on."""


def users_at_once(asked: BlockSize, num_items: int, device: str | torch.device) -> int:
    """Return the number of users in a block.

    Args:
        asked: A number stands as it is.
        num_items: Of the catalogue.
        device: Where users are ranked.
    """
    if asked != "auto":
        return int(asked)
    items = max(num_items, 1)
    if torch.device(device).type == "cuda":
        return max(1, min(CUDA_USERS, CUDA_BYTES // (2 * 4 * items)))
    return max(CPU_USERS, CPU_SCORES // items)


def threads_at_once(
    users: int, at_once: int, num_items: int, device: str | torch.device
) -> int:
    """Return the number of blocks that are ranked at once, each in its own thread.

    Args:
        users: Of whom all blocks are.
        at_once: Users in a block.
        num_items: Of the catalogue.
        device: Where users are ranked; only a CPU has threads.
    """
    if torch.device(device).type != "cpu":
        return 1
    blocks = -(-users // at_once)
    fit = CPU_SCORES_AT_ONCE // max(at_once * num_items, 1)
    return max(1, min(torch.get_num_threads(), blocks, fit))
