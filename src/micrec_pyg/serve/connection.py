"""A connection of a client, closed where the head of a request does not come."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0
"""In which a connection must have sent the whole head of its next request."""


class Connection(H11Protocol):
    """A connection by HTTP/1.1; uvicorn alone waits for a head for ever."""

    head_seconds = HEAD_SECONDS
    _late: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_wait()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what came; wait again where the next head is not whole."""
        super().handle_events()
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._end_wait()

    def _wait(self) -> None:
        """Close the connection later; a part of a head gives no more time."""
        if self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self.transport.close)

    def _end_wait(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
