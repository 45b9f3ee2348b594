"""Worker processes: Ctrl-C ends them at once, and they print nothing about it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

T = TypeVar("T")

_CTRL_C = {signal.SIGINT}


class _Workers(ProcessPoolExecutor):
    """Starts a process where a task is given and no process is free."""

    def submit(
        self, task: Callable[..., T], /, *args: Any, **options: Any
    ) -> Future[T]:
        """Return the future of a task."""
        with _ctrl_c_held_back():
            return super().submit(task, *args, **options)


@contextmanager
def worker_processes(
    count: int, begin: Callable[[], None] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """Yield worker processes; an interruption ends them at once.

    Args:
        count: How many at most.
        begin: Called in each process before its first task.
    """
    pool = _Workers(
        count,
        # a fork would copy locks that threads of this process hold
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(begin,),
    )
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit):
        with _ctrl_c_held_back():  # a second one must not leave workers behind
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def ctrl_c_for_this_process() -> Iterator[None]:
    """Hide Ctrl-C from the processes that others start inside the block.

    Their pool ends them; interrupted as well, each would show a traceback. They inherit
    which signals are blocked. Here another thread takes the signal, and the handler
    runs in the main thread as always.
    """
    resource_tracker.ensure_running()  # its start would let the signal through again
    there = threading.Event()
    waits = threading.Thread(target=there.wait, daemon=True)
    waits.start()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _CTRL_C)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        there.set()


def leave_ctrl_c_to_parent() -> None:
    """Ignore Ctrl-C in a process that others have started as a worker."""
    if multiprocessing.current_process().name != "MainProcess":
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Let this process see Ctrl-C afterwards, and those that it starts not at all.

    A process inherits which signals are blocked, so that it is not interrupted in its
    imports, before any line of ours could prevent that. This process must not be
    interrupted either: it would leave a child that waits for what it is to run. The
    mask alone does not prevent that where another thread takes the signal.
    """
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _CTRL_C)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin(begin: Callable[[], None] | None) -> None:
    """Prepare a worker, which ends with the process that started it."""
    from tqdm import tqdm

    # Ctrl-C reaches all processes; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _CTRL_C)
    # tqdm's own lock is a semaphore, which a process that is ended leaves behind
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
