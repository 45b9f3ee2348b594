"""Additions outlive the process; what was removed is gone from every file."""

import asyncio
import shutil
import sqlite3

import pytest
from serve.conftest import GOLDEN

from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.schema import DamagedFileError, InputError
from micrec_pyg.serve import database, journal, writer
from micrec_pyg.serve.answers import Done
from micrec_pyg.serve.journal import FILE, Journal
from micrec_pyg.serve.questions import AddItems
from micrec_pyg.serve.shelf import load_served

VECTOR = [1.0, -1.0, 0.5, 0.0, 2.0, 1.5]
QUESTIONS = [
    {"users": ["ann"], "domain": "food", "k": 6},
    {"users": ["u1", "u7"], "domain": "food", "k": 20},
    {"history": {"food": ["new-1", "food2"]}, "domain": "food", "k": 20},
    {"history": {"food": ["new-1"]}, "domain": "kitchen", "k": 5},
]


def answers(client):
    return [ask(client, question) for question in QUESTIONS]


def ask(client, question):
    found = client.post("/v1/recommend", json=question)
    assert found.status_code == 200, found.text
    return found.json()["lists"]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for mine, yours in zip(one, other, strict=True):
            assert mine["user"] == yours["user"]
            for row, before in zip(mine["rows"], yours["rows"], strict=True):
                assert row["score"] == pytest.approx(before["score"], abs=1e-5)
                assert {**row, "score": 0} == {**before, "score": 0}


def add(client, **items_or_interactions):
    ((kind, rows),) = items_or_interactions.items()
    body = {"domain": "food", kind: rows}
    found = client.post(f"/v1/{kind}", json=body)
    assert found.status_code == 200, found.text
    assert found.json() == {"model": "golden", "rows": len(rows)}


def fill(client):
    """Add items with and without vectors, a new person, and more of a known one."""
    add(client, items=[{"item": "new-1", "text": "x", "vectors": {"text": VECTOR}}])
    add(client, items=[{"item": "new-2"}, {"item": "new-3", "vectors": {}}])
    pairs = [("ann", "new-1"), ("ann", "food3"), ("u7", "new-2")]
    add(client, interactions=[{"user": u, "item": i} for u, i in pairs])


def test_additions_are_there_after_a_restart_and_answers_are_equal(start):
    client = start()
    fill(client)
    before = answers(client)
    found = client.get("/v1/items", params={"domain": "food", "q": "new-1"}).json()
    assert found["items"] == [{"item": "new-1", "title": "x"}]
    client = start()
    same(answers(client), before)
    assert {*food_of(client, "ann")} == {"new-1", "food3"}
    # and again, with more behind it
    add(client, interactions=[{"user": "ann", "item": "food5"}])
    before = answers(client)
    same(answers(start()), before)


def test_additions_are_what_the_recommender_would_do(start):
    import polars as pl

    from micrec_pyg.inference.recommender import load

    client, rec = start(), load(GOLDEN)
    fill(client)
    new = pl.DataFrame(
        {"item": ["new-1", "new-2", "new-3"], "text": [VECTOR, None, None]}
    )
    rec.add_items(new, domain="food")
    rec.add_interactions(
        pl.DataFrame(
            {"user": ["ann", "ann", "u7"], "item": ["new-1", "food3", "new-2"]}
        ),
        domain="food",
    )
    (found,) = ask(client, QUESTIONS[0])
    expected = rec.recommend(users=["ann"], domain="food", k=6)
    assert [row["item"] for row in found["rows"]] == expected["item"].to_list()
    assert [row["score"] for row in found["rows"]] == pytest.approx(
        expected["score"].to_list(), abs=1e-5
    )


def test_what_is_refused_is_not_written(start):
    client = start()
    fill(client)
    before = answers(client)
    for path, body in (
        ("items", {"items": [{"item": "good"}, {"item": "new-1"}]}),
        ("items", {"items": [{"item": "good", "vectors": {"text": [1.0]}}]}),
        ("items", {"items": [{"item": "good", "vectors": {"smell": [1.0]}}]}),
        ("items", {"items": [{"item": "good", "vectors": {"item": [1.0]}}]}),
        ("items", {"items": [{"item": "good", "vectors": {"title": [1.0]}}]}),
        ("items", {"items": [{"item": "good", "text": "has no encoder"}]}),
        ("interactions", {"interactions": [{"user": "bob", "item": "nothing"}]}),
        ("remove", {"users": ["nobody"]}),
        ("remove", {"items": ["nothing"]}),
        ("remove", {}),
    ):
        found = client.post(f"/v1/{path}", json={"domain": "food", **body})
        assert found.status_code == 422, found.text
        assert found.json()["error"]["field"] in ("items", "interactions", "users")
    same(answers(client), before)
    client = start()
    same(answers(client), before)
    assert not client.get("/v1/items?domain=food&q=good").json()["items"]


def test_rows_of_new_items_are_those_of_the_request(start):
    client, vectors = start(), {"text": VECTOR}
    add(client, items=[{"item": "there"}])
    for last, said in (
        ({"item": "there"}, "items, row 3: 'there' is there already; remove it first"),
        ({"item": "b"}, "items, row 3: 'b' stands twice in the request; give it once"),
        ({"item": "c", "vectors": {"smell": [1.0]}}, "items, row 3: 'smell' is no"),
    ):
        items = [{"item": "a"}, {"item": "b", "vectors": vectors}, last]
        body = {"domain": "food", "items": items}
        error = client.post("/v1/items", json=body).json()["error"]
        assert error["message"].startswith(said)
        assert error["field"] == "items"


def test_an_unexpected_error_of_one_change_spoils_no_other(start, monkeypatch):
    client = start()
    real = Recommender.add_items

    def add_items(self, items, *, domain):
        if "bad" in items["item"]:
            raise ZeroDivisionError
        real(self, items, domain=domain)

    monkeypatch.setattr(Recommender, "add_items", add_items)
    good, bad = client.app.state.writers["golden"]._answer(
        [AddItems(domain="food", items=[{"item": name}]) for name in ("good", "bad")]
    )
    assert good == Done(model="golden", rows=1)
    assert isinstance(bad, ZeroDivisionError)
    assert client.get("/v1/items?domain=food&q=good").json()["total"] == 1


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir())


def both_are_unknown(client):
    for user in ("zacharias", "u1"):
        question = {"users": [user], "domain": "food"}
        found = client.post("/v1/recommend", json=question)
        assert found.status_code == 422
        assert found.json()["error"]["field"] == "users"


def food_of(client, user):
    known = client.get("/v1/history", params={"user": user}).json()["history"]
    return [row["item"] for row in known["food"]]


def test_a_removed_person_is_in_no_file_and_stays_removed(start, tmp_path):
    client = start()
    fill(client)
    add(client, interactions=[{"user": "zacharias", "item": "food4"}])
    assert b"zacharias" in bytes_of(tmp_path / "state")
    body = {"users": ["zacharias", "u1"]}
    assert client.post("/v1/remove", json=body).json()["rows"] == 2
    content = bytes_of(tmp_path / "state")
    assert b"zacharias" not in content
    assert b"ann" in content
    both_are_unknown(client)
    client = start()
    both_are_unknown(client)
    # who comes back is somebody new
    add(client, interactions=[{"user": "u1", "item": "food4"}])
    assert food_of(client, "u1") == food_of(start(), "u1") == ["food4"]


@pytest.fixture
def impatient(monkeypatch):
    """Let nobody wait for another process."""
    for module in (database, journal, writer):
        monkeypatch.setattr(module, "SECONDS", 0.0)


def test_traces_that_another_process_holds_are_told_and_taken_out_later(
    start, tmp_path, impatient, caplog
):
    client, state = start(), tmp_path / "state"
    pairs = [{"user": "zacharias", "item": "food4"}, {"user": "u1", "item": "food4"}]
    add(client, interactions=pairs)
    reader = sqlite3.connect(state / FILE)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM interaction").fetchone() == (2,)
    found = client.post("/v1/remove", json={"users": ["zacharias", "u1"]})
    assert found.status_code == 503
    assert "it is removed and stays so, but traces are left" in found.text
    assert "another process reads it; end that process" in caplog.text
    both_are_unknown(client)
    assert b"zacharias" in bytes_of(state)
    add(client, interactions=[{"user": "ann", "item": "food3"}])
    assert b"zacharias" in bytes_of(state)
    reader.close()
    with caplog.at_level("INFO"):
        add(client, interactions=[{"user": "bob", "item": "food3"}])
    assert "no traces of what was removed are left" in caplog.text
    assert b"zacharias" not in bytes_of(state)
    both_are_unknown(start())


def test_what_is_removed_stays_so_where_the_file_cannot_be_written_anew(
    start, tmp_path, monkeypatch
):
    client, state = start(), tmp_path / "state"
    add(client, interactions=[{"user": "zacharias", "item": "food4"}])

    def full(base):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(journal, "compact", full)
        found = client.post("/v1/remove", json={"users": ["zacharias", "u1"]})
    assert found.status_code == 503
    assert "it is removed and stays so" in found.text
    both_are_unknown(client)
    add(client, interactions=[{"user": "ann", "item": "food3"}])
    assert b"zacharias" not in bytes_of(state)
    both_are_unknown(start())


def test_a_commit_that_fails_is_undone_and_the_next_is_not(tmp_path):
    base = database.connect(tmp_path / "x", "rwc")
    base.execute("CREATE TABLE a (x INTEGER PRIMARY KEY) STRICT")
    base.execute("CREATE TABLE b (x REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
    base.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):  # of the commit
        with database.transaction(base, "IMMEDIATE"):
            base.execute("INSERT INTO b VALUES (1)")
    with database.transaction(base, "IMMEDIATE"):
        base.execute("INSERT INTO a VALUES (1)")
    assert base.execute("SELECT count(*) FROM b").fetchone() == (0,)
    base.close()


def test_who_reads_sees_a_journal_that_was_made_later(start, tmp_path):
    given = {"state": tmp_path / "state", "writable": False}
    served = load_served("golden", GOLDEN, **given)
    assert served.journal is None
    client = start()
    add(client, interactions=[{"user": "ann", "item": "food3"}])
    asyncio.run(writer.Writer(served).reload())
    assert served.rec.history("ann")["food"].to_list() == ["food3"]
    served.journal.close()


def test_a_removed_item_takes_its_vector_along(start, tmp_path):
    client = start()
    vectors = {"text": VECTOR}
    add(client, items=[{"item": "kept", "vectors": {"text": VECTOR[::-1]}}])
    names = ["first", "unwanted", "last"]
    add(client, items=[{"item": name, "vectors": vectors} for name in names])
    add(client, interactions=[{"user": "ann", "item": n} for n in ("unwanted", "last")])
    body = {"domain": "food", "items": ["unwanted", "food3"]}
    assert client.post("/v1/remove", json=body).status_code == 200
    assert b"unwanted" not in bytes_of(tmp_path / "state")
    question = {"item": "kept", "domain": "food", "by": "content"}
    before = client.post("/v1/similar", json=question).json()
    assert "unwanted" not in str(before)
    client = start()
    after = client.post("/v1/similar", json=question).json()
    assert [r["item"] for r in after["rows"]] == [r["item"] for r in before["rows"]]
    assert {"first", "last"} <= {row["item"] for row in after["rows"]}
    assert "food3" not in {row["item"] for row in after["rows"]}
    assert food_of(client, "ann") == ["last"]
    add(client, items=[{"item": "unwanted", "vectors": vectors}])  # a new one


def test_one_process_writes_and_others_may_read(start):
    client = start()
    fill(client)
    state = client.app.state.shelf.get(None).journal.path.parent
    with pytest.raises(InputError, match=r"process \d+ takes additions there; stop"):
        Journal(state, "digest", writable=True)
    reader = Journal(state, "digest", writable=False)
    assert reader.read().interactions["food"].height == 3
    reader.close()


def test_a_journal_of_another_artefact_is_refused_by_name(start, tmp_path):
    client = start()
    other = shutil.copytree(GOLDEN, tmp_path / "other")
    with open(other / "manifest.json", "a") as file:
        file.write("\n")
    fill(client)
    before = answers(client)
    with pytest.raises(
        InputError, match=rf"{FILE} holds additions to artefact \w+, and"
    ):
        start(other)
    same(answers(start(other, carry=True)), before)
    same(answers(start(other)), before)


def test_a_damaged_journal_is_refused_by_name(start, tmp_path):
    client = start()
    fill(client)
    start(state=tmp_path / "elsewhere")  # the first one is closed
    path = tmp_path / "state" / FILE
    good = path.read_bytes()
    for bad in (b"no database at all" * 300, good[:100], good[: len(good) // 2]):
        path.write_bytes(bad)
        with pytest.raises(DamagedFileError, match=r"journal\.sqlite"):
            start()
    path.write_bytes(good)
    (vectors, *_) = sorted((tmp_path / "state").glob("vectors-*"))
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedFileError, match=vectors.name):
        start()
    vectors.write_bytes(content)
    with sqlite3.connect(path) as base:
        base.execute("UPDATE about SET value = '2' WHERE key = 'format'")
    base.close()
    with pytest.raises(InputError, match="format 2 was found, this version reads 1"):
        start()
