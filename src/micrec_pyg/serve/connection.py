"""A connection of a client, closed where a head does not come or nobody reads."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0
"""In which a connection must have sent the whole head of its next request."""
UNREAD_SECONDS = 30.0
"""In which a client must have read some of what waits to be sent to it."""


class Connection(H11Protocol):
    """A connection by HTTP/1.1; uvicorn alone waits for a client for ever."""

    head_seconds, unread_seconds = HEAD_SECONDS, UNREAD_SECONDS
    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_wait()
        self._end_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Let answers wait until the client reads, but not for ever."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if not self.transport.is_closing():
            self._end_unread()
        super().resume_writing()

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
            self._late = self.loop.call_later(self.head_seconds, self._end)

    def _end(self) -> None:
        """Close the connection, once the client has read what it was sent."""
        self.transport.close()
        self._watch()

    def _watch(self) -> None:
        """Look later whether the client reads."""
        self._end_unread()
        left = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(self.unread_seconds, self._look, left)

    def _look(self, before: int) -> None:
        """Close the connection of a client that has read nothing since."""
        if self.transport.get_write_buffer_size() < before:
            self._watch()
        else:
            self.transport.abort()

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _end_wait(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
