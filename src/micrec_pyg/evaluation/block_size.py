"""How many users are ranked at once: a choice of time and memory, not of lists."""

from typing import Literal

import torch

from micrec_pyg.allowed import Count

BlockSize = Count | Literal["auto"]
"""Users per block; ``auto`` follows the device and the catalogue."""

CPU_USERS = 128
"""So few that the scores of some ten thousand items stay in the cache."""
CPU_SCORES = 2**21
"""Scores of a block on a CPU (8 MB): a small catalogue takes more users at once."""
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
