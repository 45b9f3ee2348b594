"""The service as a process: a socket, signals, and an end without lost requests."""

import asyncio
import gc
import ipaddress
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from micrec_pyg.evaluation import rank
from micrec_pyg.schema import InputError
from micrec_pyg.serve.connection import HEAD_SECONDS, Connection
from micrec_pyg.serve.routes_write import reload_one

logger = logging.getLogger(__name__)

CONNECTIONS = 1000
"""Open at once."""
GRACE_SECONDS = 30
"""In which requests are finished after the process was told to stop."""


class Once(logging.Filter):
    """Let the first line pass: each answer of a tied model would have the same."""

    _said = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is logged."""
        before, self._said = self._said, True
        return not before


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; 0 takes any port that is free.

    Raises:
        InputError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio lets small answers go at once (TCP_NODELAY) only where TCP is named
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        if isinstance(error, socket.gaierror):
            needed = "give a name or an address of this machine"
        elif isinstance(error, OverflowError):
            needed = "a port is 1 to 65535, or 0 for any"
        else:
            needed = "give another port, or 0 for any"
        reason = getattr(error, "strerror", None) or "there is no such port"
        raise InputError(f"--host {host} --port {port}: {reason}; {needed}") from error
    return found


def run(app: FastAPI, place: socket.socket, *, started: Callable[[], None]) -> None:
    """Answer requests until the process is told to stop; then finish what began.

    SIGHUP loads every artefact again from where it lies.

    Args:
        app: The service.
        place: Where it listens.
        started: Called when it does.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop, tasks = asyncio.get_running_loop(), set()

        def again() -> None:
            task = asyncio.create_task(_reload_all(app))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop.add_signal_handler(signal.SIGHUP, again)
        # a search for garbage in all that the libraries hold would stop every answer
        # for a third of a second, again and again
        gc.collect()
        gc.freeze()
        started()
        yield

    app.router.lifespan_context = lifespan
    logging.getLogger(rank.__name__).addFilter(Once())
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn takes these while it runs, and raises them again when it has ended
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        app,
        http=Connection,
        access_log=False,
        log_config=None,
        log_level="critical",  # errors are logged by serve.errors, once
        lifespan="on",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=int(HEAD_SECONDS),
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        proxy_headers=False,  # nobody reads the address of a client
    )
    try:
        uvicorn.Server(config).run(sockets=[place])
    finally:
        # a second Ctrl-C leaves the lifespan unfinished; libraries that look for
        # leaks at the end would take what is frozen for lost
        gc.unfreeze()


async def _reload_all(app: FastAPI) -> None:
    for served in app.state.shelf:
        try:
            await reload_one(served, app.state.writers, app.state.metrics)
        except (InputError, OSError) as error:
            logger.error("%s: %s; the old one goes on", served.name, error)
