"""A connection whose head does not come, or who does not read, is closed."""

import asyncio
import time

import uvicorn

from micrec_pyg.serve.connection import Connection

SECONDS = 0.3
LARGE = b"x" * 8 * 2**20
AT_WORK: list[None] = []
HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"


class Hasty(Connection):
    head_seconds = unread_seconds = SECONDS


async def app(scope, receive, send):
    """Answer after longer than a head may take."""
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * SECONDS)
    body = LARGE if scope["path"] == "/large" else b"ok"
    headers = [(b"content-length", str(len(body)).encode())]
    AT_WORK.append(None)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    AT_WORK.pop()


def with_service(talk):
    """Return what a client finds, given reader and writer of a connection."""

    async def both():
        config = uvicorn.Config(app, http=Hasty, lifespan="off", log_level="critical")
        config.load()
        server = uvicorn.Server(config)
        place = await asyncio.get_running_loop().create_server(
            lambda: Hasty(config, server.server_state, {}), "127.0.0.1", 0
        )
        async with place:
            reader, writer = await asyncio.open_connection(
                *place.sockets[0].getsockname()
            )
            try:
                return await asyncio.wait_for(talk(reader, writer), 10)
            finally:
                writer.close()

    return asyncio.run(both())


async def drip(reader, writer):
    """Return the seconds until a connection that goes on sending is closed."""
    begin, end = time.perf_counter(), asyncio.ensure_future(reader.read())
    writer.write(HEAD)
    while not end.done():
        writer.write(b"X-More: 1\r\n")
        await asyncio.sleep(SECONDS / 10)
    assert await end == b""
    return time.perf_counter() - begin


async def answer(reader, writer, path):
    """Return the body of the answer to a request."""
    writer.write(HEAD.replace(b"/ ", path + b" ", 1) + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(2)


def test_a_head_that_comes_in_drops_is_not_waited_for():
    assert SECONDS <= with_service(drip) < 5 * SECONDS


def test_silence_and_drops_after_an_answer_end_a_connection():
    async def talk(reader, writer):
        assert await answer(reader, writer, b"/") == b"ok"
        return await drip(reader, writer)

    assert SECONDS <= with_service(talk) < 5 * SECONDS


def test_who_asks_on_and_does_not_read_is_not_waited_for():
    async def talk(reader, writer):
        reader._transport.pause_reading()
        writer.write((HEAD.replace(b"/ ", b"/large ", 1) + b"\r\n") * 3)
        while not AT_WORK:  # the second answer waits for the first to be read
            await asyncio.sleep(SECONDS / 10)
        begin = time.perf_counter()
        while AT_WORK:
            await asyncio.sleep(SECONDS / 10)
        return time.perf_counter() - begin

    assert with_service(talk) < 10 * SECONDS


def test_who_reads_slowly_gets_all():
    async def talk(reader, writer):
        writer.write(HEAD.replace(b"/ ", b"/large ", 1) + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        pieces = 16
        for _ in range(pieces):
            await reader.readexactly(len(LARGE) // pieces)
            await asyncio.sleep(SECONDS / 4)
        return True

    assert with_service(talk)


def test_a_request_that_is_worked_on_is_not_cut_off():
    async def talk(reader, writer):
        found = [await answer(reader, writer, b"/slow") for _ in range(2)]
        await asyncio.sleep(SECONDS / 2)
        return [*found, await answer(reader, writer, b"/")]

    assert with_service(talk) == [b"ok"] * 3
