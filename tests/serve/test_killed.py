"""What a client was told is written is there, whenever the process is killed."""

import http.client
import json
import random
import signal
import sqlite3
import threading
import time

import polars as pl
import pytest
from serve.conftest import GOLDEN
from serve.processes import Process

from micrec_pyg.inference.recommender import load

pytestmark = pytest.mark.fuzz

KILLS = 8
VECTOR = [0.5, -1.0, 0.25, 0.0, 1.0, 2.0]


class Adder(threading.Thread):
    """Adds until the process is no more; knows what was acknowledged."""

    def __init__(self, process: Process, name: str) -> None:
        super().__init__()
        self._process, self._name = process, name
        self.items: list[str] = []
        self.pairs: list[tuple[str, str]] = []

    def run(self) -> None:
        for number in range(10_000):
            item, user = f"{self._name}-{number}", f"person-{self._name}"
            new = {"item": item, "text": item, "vectors": {"text": VECTOR}}
            pair = {"user": user, "item": item}
            try:
                if self._send("items", [new]):
                    self.items.append(item)
                if self._send("interactions", [pair]):
                    self.pairs.append((user, item))
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                return

    def _send(self, kind: str, rows: list[dict]) -> bool:
        status, found = self._process.ask(f"/v1/{kind}", {"domain": "food", kind: rows})
        assert status == 200, found
        return True


def test_nothing_that_was_acknowledged_is_lost(tmp_path, tried):
    choice = random.Random(0)
    items: list[str] = []
    pairs: list[tuple[str, str]] = []
    where = ("--state", str(tmp_path / "state"))
    for kill in range(KILLS):
        with Process(tmp_path / "log", *where) as process:
            everything_is_there(process, items, pairs)
            adders = [Adder(process, f"{kill}-{n}") for n in range(3)]
            for adder in adders:
                adder.start()
            time.sleep(choice.uniform(0.1, 1.5))
            process.end(signal.SIGKILL)
        for adder in adders:
            adder.join()
            items += adder.items
            pairs += adder.pairs
    assert len(items) > KILLS
    assert len(pairs) > KILLS
    with Process(tmp_path / "log", *where) as process:
        everything_is_there(process, items, pairs)
        answers_are_those_of_a_rebuild(process, tmp_path / "state")
        assert process.end() == 0
    tried("kill -9 of the service during additions, everything acknowledged", KILLS)


def everything_is_there(process, items, pairs):
    _, found = process.ask("/v1/items?domain=food&limit=1000&q=-")
    assert {*items} <= {item["item"] for item in found["items"]}
    for user in {user for user, _ in pairs}:
        _, known = process.ask(f"/v1/history?user={user}")
        there = {item["item"] for item in known["history"]["food"]}
        assert {item for who, item in pairs if who == user} <= there


def answers_are_those_of_a_rebuild(process, state):
    """Compare with a recommender that gets all rows of the journal at once."""
    rec = load(GOLDEN)
    new, pairs = rows_of(state / "golden" / "journal.sqlite")
    rec.add_items(
        pl.DataFrame({"item": new, "title": new, "text": [VECTOR] * len(new)}),
        domain="food",
    )
    rec.add_interactions(
        pl.DataFrame(pairs, schema=["user", "item"], orient="row"), domain="food"
    )
    users = [*sorted({user for user, _ in pairs})[:20], "u1", "u7"]
    question = {"users": users, "domain": "food", "k": 20}
    _, found = process.ask("/v1/recommend", question)
    expected = rec.recommend(**question)
    rows = [row for each in found["lists"] for row in each["rows"]]
    assert [row["item"] for row in rows] == expected["item"].to_list()
    scores = [row["score"] for row in rows]
    assert scores == pytest.approx(expected["score"].to_list(), abs=1e-5)


def rows_of(path):
    base = sqlite3.connect(path)
    new = [raw for (raw,) in base.execute("SELECT item FROM item ORDER BY seq")]
    pairs = base.execute("SELECT user, item FROM interaction ORDER BY seq").fetchall()
    base.close()
    return new, pairs


def test_a_second_writer_is_refused_and_a_reader_answers(tmp_path):
    where = ("--state", str(tmp_path / "state"))
    new = {"items": [{"item": "new", "vectors": {"text": VECTOR}}], "domain": "food"}
    with Process(tmp_path / "log", *where) as first:
        assert first.ask("/v1/items", new)[0] == 200
        refused = r"ended with 2: micrec: .* takes additions there"
        with pytest.raises(RuntimeError, match=refused):
            Process(tmp_path / "log2", *where)
        with Process(tmp_path / "log2", *where, "--read-only") as reader:
            _, found = reader.ask("/v1/items?domain=food&q=new")
            assert found["total"] == 1
            assert reader.ask("/v1/items", new)[0] == 403
            assert reader.end() == 0
        assert first.end() == 0


def test_a_hang_up_loads_again_and_a_stop_answers_what_was_asked(tmp_path):
    question = {"users": ["u1"], "domain": "food", "k": 5}
    faults: list[object] = []
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.is_set():
            status, found = process.ask("/v1/recommend", question)
            if status != 200:
                faults.append(found)

    with Process(tmp_path / "log", "--state", str(tmp_path / "state")) as process:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for count in range(1, 4):
            process.tell(signal.SIGHUP)
            while process.log.read_text().count("answers now") < count:
                time.sleep(0.05)
        stopped.set()
        for thread in threads:
            thread.join()
        assert process.end() == 0
    assert not faults
