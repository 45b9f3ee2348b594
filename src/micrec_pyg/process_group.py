"""The processes of one run, where ``torchrun`` has started several.

Like torch.distributed, whose default group this is, it is a setting of the process:
where there is one process alone, everything here returns at once. All processes do the
same work in the same order; what they divide are the rows of a batch, whose gradients
are summed, and the users of a ranking, whose lists are gathered.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from micrec_pyg.schema import InputError

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""Longest wait for another process: the first one may encode a whole catalogue. One
that ends is noticed at once."""


class LostProcessError(ConnectionError):
    """Another process of this run has ended."""


def size() -> int:
    """Return the number of processes that share this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Return whether this is the process that writes and talks."""
    return rank() == 0


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that ``torchrun`` started, if it did.

    Raises:
        InputError: The others cannot be reached.
        LostProcessError: Another one has ended, inside the block.
    """
    alone = "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2
    if alone or dist.is_initialized():
        yield
        return
    on_cuda = torch.cuda.is_available()
    if on_cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_cuda else "gloo", timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "WORLD_SIZE is above 1, but the other processes of the run cannot be "
            "reached; start them by: torchrun --nproc-per-node N -m micrec_pyg train"
        ) from error
    before = signal.signal(signal.SIGTERM, _ended)  # torchrun ends the others by it
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        dist.destroy_process_group()


def own_rows(count: int) -> slice:
    """Return which of some rows are this process's: a stretch of nearly equal size."""
    return slice(rank() * count // size(), (rank() + 1) * count // size())


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by the sum over all processes."""
    if size() > 1:
        sum_up(p.grad for p in parameters if p.grad is not None)


def sum_up(tensors: Iterable[Tensor]) -> None:
    """Replace every tensor by its sum over all processes, the same bits in each."""
    if size() == 1:
        return
    with _lost_is_told():
        works = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
        for work in works:
            work.wait()


def gathered(mine: Tensor, count: int) -> Tensor:
    """Return the rows of all processes, in order.

    Args:
        mine: Those of ``own_rows(count)``.
        count: Of all.
    """
    if size() == 1:
        return mine
    most = -(-count // size())
    padded = mine.new_zeros(most, *mine.shape[1:])
    padded[: len(mine)] = mine
    parts = [torch.empty_like(padded) for _ in range(size())]
    with _lost_is_told():
        dist.all_gather(parts, padded)
    ends = [(r + 1) * count // size() - r * count // size() for r in range(size())]
    return torch.cat([part[:end] for part, end in zip(parts, ends, strict=True)])


def from_first(make: Callable[[], T]) -> T:
    """Return what the first process makes, in every process; others make nothing."""
    if size() == 1:
        return make()
    found = [make() if is_first() else None]
    with _lost_is_told():
        dist.broadcast_object_list(found, src=0)
    return found[0]  # type: ignore[return-value]


def first_before_others(make: Callable[[], T]) -> T:
    """Return what this process makes, after the first one has made it.

    So the first one fills the caches and fetches the data that the others read.
    """
    if is_first():
        found = make()
        _wait()
        return found
    _wait()
    return make()


def _wait() -> None:
    if size() > 1:
        with _lost_is_told():
            dist.barrier()


def _ended(number: int, frame: FrameType | None) -> None:
    raise _lost()


@contextmanager
def _lost_is_told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise _lost() from error


def _lost() -> LostProcessError:
    return LostProcessError(
        f"process {rank() + 1} of {size()}: another process of this run has ended, so "
        "this one ends too; the same command goes on from the last checkpoint, with "
        "any number of processes"
    )
