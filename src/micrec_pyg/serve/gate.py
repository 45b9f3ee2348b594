"""What every request passes first: its key, its whole body, and that not too many do.

The key is read from the head, before a body is taken. Bodies are held until the answer,
and all of them together have a limit.
"""

import asyncio
import time

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from micrec_pyg.serve.errors import RefusedError, error_response
from micrec_pyg.serve.keys import is_asked, may_ask
from micrec_pyg.serve.limits import Limits
from micrec_pyg.serve.metrics import Metrics

OTHER = "other"
"""What paths and methods are counted as that do not exist: anybody can invent them."""
METHODS = frozenset("GET HEAD OPTIONS POST PUT PATCH DELETE".split())
GONE = 499
"""What a request is counted as whose client went before it was answered."""


class Gate:
    """A layer around the service."""

    def __init__(self, app: ASGIApp, *, limits: Limits, metrics: Metrics) -> None:
        """Stand before an app."""
        self._app, self._limits, self._metrics = app, limits, metrics
        self._now = 0
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that it is too much."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = GONE

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else OTHER
        if method == "HEAD":
            # as GET, whose body the server leaves out
            scope = {**scope, "method": "GET"}
        begin = time.perf_counter()
        try:
            await self._pass(scope, receive, counted)
        except BaseException:
            status = 500
            raise
        finally:
            path = getattr(scope.get("route"), "path", OTHER)
            self._metrics.requests.labels(path, method, status).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - begin)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, works = Request(scope, receive), is_asked(scope["path"])
        parts: list[bytes] = []
        try:
            if works:
                may_ask(request)
                self._check_room()
            if scope["method"] in ("POST", "PUT", "PATCH"):
                await self._read(request, parts)
            if works:
                self._check_room()  # others came while it arrived
            self._now += works
            self._metrics.now.set(self._now)
            try:
                await self._app(scope, _replayed(b"".join(parts), receive), send)
            finally:
                self._now -= works
                self._metrics.now.set(self._now)
        except ClientDisconnect:
            return
        except RefusedError as error:
            refused = error_response(error.status, str(error), headers=error.headers)
            await refused(scope, receive, send)
        finally:
            self._held -= sum(map(len, parts))

    def _check_room(self) -> None:
        """Refuse a request where too many are at work."""
        if self._now >= self._limits.at_once:
            raise _full(f"{self._limits.at_once} requests are at work; come again")

    async def _read(self, request: Request, parts: list[bytes]) -> None:
        """Read the body, and refuse one that cannot be taken.

        Args:
            request: With or without a body.
            parts: Are added; whoever calls gives back what they hold.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind.lower() != "application/json":
            message = "the body is no JSON; send the header Content-Type: "
            raise RefusedError(415, f"{message}application/json")
        limits, size = self._limits, 0
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    self._held += len(part)
                    if size > limits.body_bytes:
                        raise _too_large(limits.body_bytes)
                    if self._held > limits.bodies_bytes:
                        raise _full(
                            f"the bodies at work have more than {limits.bodies_bytes:,}"
                            " bytes; come again"
                        )
        except TimeoutError as error:
            raise RefusedError(
                408, f"no whole body came in {limits.body_seconds:g} s"
            ) from error


def _full(message: str) -> RefusedError:
    return RefusedError(503, message, headers={"Retry-After": "1"})


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"the body has more than {most:,} bytes")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives an app the whole body at once, then what else comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
