"""Work on a CPU that is divided by blocks, a thread each, not inside each operation.

A block of users is ranked by a dozen operations of a few milliseconds. Where each of
them is divided, threads meet at the end of each and share one block's memory; where
the blocks are divided, they meet once and each keeps its block in its own cache.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from micrec_pyg import blas

Part = TypeVar("Part")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Part], Result], parts: Sequence[Part], workers: int
) -> list[Result]:
    """Return what the work gives for each part, in their order; without gradients.

    Args:
        work: Is called from several threads at once. Each has its share of torch's
            threads, so that all together have as many as the caller.
        parts: As many calls.
        workers: Threads; one means the caller's own.

    Raises:
        Exception: What the work raises first; the parts that wait are left out.
    """
    if workers < 2:
        return [work(part) for part in parts]
    threads, mode = torch.get_num_threads(), torch.is_inference_mode_enabled()

    def without_gradients(part: Part) -> Result:
        with torch.inference_mode(mode), torch.no_grad():  # both are a thread's own
            return work(part)

    blas.settle()
    share = max(1, threads // workers)
    pool = ThreadPoolExecutor(workers, "block", torch.set_num_threads, (share,))
    try:
        return list(pool.map(without_gradients, parts))
    finally:
        pool.shutdown(cancel_futures=True)
        # Threads that come later would begin with what the last one was given.
        torch.set_num_threads(threads)
        blas.release()
