"""What every request passes first: its body arrives whole, and not too many do."""

import asyncio
import time

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from micrec_pyg.serve.errors import error_response
from micrec_pyg.serve.keys import API
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

        begin = time.perf_counter()
        try:
            await self._pass(scope, receive, counted)
        except BaseException:
            status = 500
            raise
        finally:
            path = getattr(scope.get("route"), "path", OTHER)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.requests.labels(path, method, status).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - begin)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, refused = Request(scope, receive), None
        body, works = b"", scope["path"].startswith(API)
        if scope["method"] in ("POST", "PUT", "PATCH"):
            try:
                body, refused = await self._body(request)
            except ClientDisconnect:
                return
        if refused is None and works and self._now >= self._limits.at_once:
            refused = error_response(
                503,
                f"{self._limits.at_once} requests are at work; come again",
                headers={"Retry-After": "1"},
            )
        if refused is not None:
            await refused(scope, receive, send)
            return
        self._now += works
        self._metrics.now.set(self._now)
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._now -= works
            self._metrics.now.set(self._now)

    async def _body(self, request: Request) -> tuple[bytes, Response | None]:
        """Return the body, or the answer to one that is refused."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind.lower() != "application/json":
            message = "the body is no JSON; send the header Content-Type: "
            return b"", error_response(415, f"{message}application/json")
        most = self._limits.body_bytes
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > most:
            return b"", _too_large(most)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    if size > most:
                        return b"", _too_large(most)
        except TimeoutError:
            seconds = self._limits.body_seconds
            return b"", error_response(408, f"no whole body came in {seconds:g} s")
        return b"".join(parts), None


def _too_large(most: int) -> Response:
    return error_response(413, f"the body has more than {most:,} bytes")


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
