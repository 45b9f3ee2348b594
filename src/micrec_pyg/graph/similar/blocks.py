"""How much the search for neighbours holds at a time, and how exact it proposes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Blocks:
    """Sizes that decide time and memory of a search, and no list."""

    rows: int
    """Nodes that are searched for at a time."""
    searched: int
    """Elements of the scaled vectors that are searched through at a time."""
    scores: int
    """Scores that are computed at a time, whatever ``rows`` says."""
    threads: bool
    """Whether several blocks are searched for at a time, each in its own thread."""
    refined: int
    """Vector elements that are widened to float64 at a time."""

    def divided(self, nodes: int, columns: int) -> tuple[int, int]:
        """Return the rows of a block, and how many threads have one at a time.

        Args:
            nodes: That are searched for.
            columns: That are searched through at a time.
        """
        rows = max(1, min(self.rows, self.scores // columns))
        workers = torch.get_num_threads() if self.threads else 1
        workers = min(workers, -(-nodes // rows))
        if workers > 1:
            share = self.scores // workers // columns
            rows = max(1, min(rows, max(share, LEAST_ROWS)))
            workers = max(1, min(workers, MOST * self.scores // (rows * columns)))
        return rows, workers


LEAST_ROWS = 256
"""Of a thread's block: with fewer, a product reads its other factor too often."""
MOST = 8
"""Times the scores of one block: what those of all threads may come to for that."""

CPU = Blocks(rows=2048, searched=2**26, scores=2**25, refined=2**18, threads=True)
"""256 MB of vectors, 128 MB of scores; 2 MB are refined, which stay in the cache."""
CUDA = Blocks(rows=8192, searched=2**29, scores=2**28, refined=2**24, threads=False)
"""2 GB of vectors, 1 GB of scores: a GPU is busy with large pieces alone."""

COARSE = {"cuda": "high"}
"""By type of device: the precision of ``torch.set_float32_matmul_precision`` that
products propose with. On CUDA, TF32 is several times faster than float32."""


def blocks_of(device: torch.device) -> Blocks:
    """Return the sizes for a device; some of a full GPU's memory is left for others."""
    if device.type != "cuda":
        return CPU
    free = torch.cuda.mem_get_info(device)[0]
    return _within(CUDA, free // 4)


def _within(blocks: Blocks, size: int) -> Blocks:
    """Return blocks halved until vectors and scores fit in some bytes."""
    while 4 * (blocks.searched + blocks.scores) > size and blocks.scores > CPU.scores:
        blocks = replace(
            blocks, searched=blocks.searched // 2, scores=blocks.scores // 2
        )
    return blocks


@contextmanager
def proposing(device: torch.device) -> Iterator[None]:
    """Compute float32 products as coarsely as a proposal allows, for a while.

    Candidates are scored anew in float64, and the bound of a proposal is as wide as
    the rounding of its products: the lists are the same to the last bit.
    """
    before = torch.get_float32_matmul_precision()
    if before == "highest":
        torch.set_float32_matmul_precision(COARSE.get(device.type, before))
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
