"""The service on a generated shop of 30,000 items, asked over HTTP.

It is a process of its own. Eight clients ask at once, each on a connection that stays
open, and each asks again as soon as it is answered: for the 20 items of one known user,
then for those of a person with a history of 50. The clients share the machine with the
service. The last rows are one client that adds an interaction of a new user, which is
on the disk when it is answered.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import micrec_pyg
from benchmarks.data import TINY, Size, write
from benchmarks.harness import CannotRunError, Options, Row, Target, at_most, row

SHOP = Size(48_000, 30_000, 340_000)
CLIENTS = 8
LONG = 50
"""Items of a long history."""
KEY = "the key of this benchmark"
DOMAIN = "shop"


def measure(options: Options) -> list[Row]:
    """Return rows without peers."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        size = TINY if options.quick else SHOP
        run = micrec_pyg.train(
            *write(folder / "data", {DOMAIN: size}),
            "model=micrec",
            "K=3",
            "fit.max_epochs=1",
            "rank.ks=[20]",
            f"cache_dir={folder}/knn",
            f"features.cache_dir={folder}/features",
            f"output_dir={folder}/outputs",
        )
        label = f"{size.items:,} items"
        users = micrec_pyg.load(run.path).users()  # some drawn ones bought nothing
        with served(Path(run.path), folder) as port:
            return _rows(port, users, size.items, label, options)


def _rows(
    port: int, users: list[str], items: int, label: str, options: Options
) -> list[Row]:
    generator = torch.Generator().manual_seed(0)

    def drawn(most: int, count: int) -> list[int]:
        return torch.randint(most, (count,), generator=generator).tolist()

    def user() -> bytes:
        (number,) = drawn(len(users), 1)
        return _request("recommend", {"users": [users[number]], "k": 20})

    def history() -> bytes:
        basket = [f"i{number}" for number in drawn(items, LONG)]
        return _request("recommend", {"history": {DOMAIN: basket}, "k": 20})

    def interaction() -> bytes:
        (number,) = drawn(10**9, 1)
        pair = {"user": f"new-{number}", "item": f"i{drawn(items, 1)[0]}"}
        return _request("interactions", {"interactions": [pair]})

    turns = options.turns(250)
    asked = (("one known user", user, 0.02), (f"a history of {LONG}", history, 0.05))
    rows: list[Row] = []
    for what, make, limit in asked:
        _ask(port, make, clients=1, turns=3)  # the first ones prepare what others use
        seconds, wall = _ask(port, make, clients=CLIENTS, turns=turns)
        name = f"{what}, {CLIENTS} clients, {label}"
        rows += _quantiles(name, seconds, at_most(limit, "s"))
        rate = [len(seconds) / wall]
        rows.append(
            row(f"{name}: rate", "answers/s", rate, None, "", larger_is_better=True)
        )
    seconds, _ = _ask(port, interaction, clients=1, turns=options.turns(20))
    return rows + _quantiles(f"one interaction is added, {label}", seconds, None)


def _quantiles(name: str, seconds: list[float], target: Target | None) -> list[Row]:
    last = sorted(seconds)[min(len(seconds) - 1, int(0.99 * len(seconds)))]
    middle = statistics.median(seconds)
    return [
        row(f"{name}: median", "s", [middle], None, ""),
        row(f"{name}: p99", "s", [last], None, "", target=target),
    ]


@contextmanager
def served(run: Path, folder: Path) -> Iterator[int]:
    """Yield the port of a service that answers for a run.

    Args:
        run: Its folder.
        folder: For the log and what is added.

    Raises:
        CannotRunError: It ended before it answered.
    """
    log = folder / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "micrec_pyg", "serve", str(run)),
                *("--port", "0", "--state", str(folder / "state")),
            ],
            stdout=subprocess.DEVNULL,
            stderr=file,
            env={**os.environ, "MICREC_WRITE_KEY": KEY},
        )
    try:
        while (
            found := re.search(r"http://\S+:(\d+) answers", log.read_text())
        ) is None:
            if process.poll() is not None:
                raise CannotRunError(log.read_text().strip().splitlines()[-1])
            time.sleep(0.05)
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


def _ask(
    port: int, make: Callable[[], bytes], *, clients: int, turns: int
) -> tuple[list[float], float]:
    """Return the seconds of every request, and those of all together."""
    requests = [[make() for _ in range(turns)] for _ in range(clients)]
    seconds: list[float] = []
    faults: list[str] = []

    def client(mine: list[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as place:
            # else the last bytes of a request may wait for an acknowledgement
            place.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in mine:
                begin = time.perf_counter()
                place.sendall(request)
                answer = _answer(place)
                seconds.append(time.perf_counter() - begin)
                if not answer.startswith(b"HTTP/1.1 200"):
                    faults.append(answer.decode(errors="replace"))
                    return

    threads = [threading.Thread(target=client, args=(mine,)) for mine in requests]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults or len(seconds) < clients * turns:
        said = faults[0].splitlines()[-1] if faults else "a connection was closed"
        raise CannotRunError(said)
    return seconds, time.perf_counter() - begin


def _request(path: str, body: dict[str, object]) -> bytes:
    content = json.dumps(body)
    return (
        f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    ).encode()


def _answer(place: socket.socket) -> bytes:
    """Return the next answer of a connection, head and body."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _some(place)
    head, _, body = found.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        part = _some(place)
        missing -= len(part)
        found += part
    return found


def _some(place: socket.socket) -> bytes:
    part = place.recv(65_536)
    if not part:
        raise CannotRunError("the service closed a connection")
    return part
