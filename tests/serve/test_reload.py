"""Another artefact takes the place of one that answers, and no request fails."""

import json
import shutil
import threading
import time

import polars as pl
import pytest
from serve.conftest import GOLDEN
from serve.test_journal import add

from micrec_pyg.serve import writer
from micrec_pyg.storage.seals import seal

ASKED = {"users": ["u1", "u7"], "domain": "food", "k": 5, "exclude_seen": False}


@pytest.fixture
def artefact(tmp_path):
    return shutil.copytree(GOLDEN, tmp_path / "artefact")


def change(folder, old, new):
    """Let an artefact have other titles, as a later training might bring."""
    path = folder / "items-food.parquet"
    text = pl.col("text").str.replace(old, new)
    pl.read_parquet(path).with_columns(text).write_parquet(path)
    seal(folder, [*json.loads((folder / "manifest.json").read_text())["sha256"]])


def test_no_request_fails_while_an_artefact_is_replaced(start, artefact):
    client = start(artefact)
    add(client, items=[{"item": "new", "vectors": {"text": [1.0] * 6}}])
    add(client, interactions=[{"user": "ann", "item": "new"}])
    stopped, found = threading.Event(), []

    def ask():
        while not stopped.is_set():
            found.append(client.post("/v1/recommend", json=ASKED))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        before = client.get("/v1/models").json()["models"][0]["digest"]
        change(artefact, "tea", "coffee")
        answer = client.post("/v1/reload", json={})
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert answer.status_code == 200, answer.text
    now = client.get("/v1/models").json()["models"][0]["digest"]
    assert answer.json() == {"digests": {"golden": now}}
    assert now != before
    assert {response.status_code for response in found} == {200}
    titles = str(client.post("/v1/recommend", json=ASKED).json())
    assert "coffee" in titles
    assert "tea" not in titles
    # what was added is still there, now and after a restart without --carry
    for later in (client, start):
        asked = later if later is client else later(artefact)
        known = asked.get("/v1/history", params={"user": "ann"}).json()["history"]
        assert known["food"] == [{"item": "new", "title": None}]


def test_of_two_reloads_the_later_wins(start, artefact, monkeypatch):
    client = start(artefact)
    served = client.app.state.shelf.get(None)
    real, begun, gate = writer.reloaded, [], threading.Event()

    def slow(served):
        fresh = real(served)
        begun.append(fresh.digest)
        if len(begun) == 1:
            gate.wait(30)
        return fresh

    monkeypatch.setattr(writer, "reloaded", slow)
    both = [
        threading.Thread(target=client.post, args=("/v1/reload",), kwargs={"json": {}})
        for _ in range(2)
    ]
    both[0].start()
    while not begun:
        time.sleep(0.01)
    change(artefact, "tea", "coffee")
    both[1].start()
    time.sleep(0.3)
    gate.set()
    for thread in both:
        thread.join()
    first, second = begun
    assert first != second
    assert served.digest == second == served.journal.digest


def test_an_artefact_that_cannot_be_loaded_leaves_the_old_one(start, artefact):
    client = start(artefact)
    before = client.post("/v1/recommend", json=ASKED).json()
    (artefact / "model.safetensors").write_bytes(b"damaged")
    found = client.post("/v1/reload", json={"model": "golden"})
    assert found.status_code == 422
    assert "model.safetensors" in found.json()["error"]["message"]
    assert client.post("/v1/recommend", json=ASKED).json() == before
    assert 'outcome="refused"' in client.get("/metrics").text


def test_an_artefact_that_additions_do_not_fit_leaves_the_old_one(start, artefact):
    client = start(artefact)
    add(client, interactions=[{"user": "ann", "item": "food3"}])
    path = artefact / "items-food.parquet"
    other = pl.col("id").str.replace("food3", "gone")
    pl.read_parquet(path).with_columns(other).write_parquet(path)
    change(artefact, "tea", "coffee")
    found = client.post("/v1/reload", json={})
    assert found.status_code == 422
    assert "domain food has no item 'food3'" in found.json()["error"]["message"]
    titles = str(client.post("/v1/recommend", json=ASKED).json())
    assert "tea" in titles
    assert "coffee" not in titles
