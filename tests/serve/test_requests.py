"""What a request may hold; every error has one shape and names the field."""

import asyncio
import json
import logging
import threading
import time
from dataclasses import replace

import polars as pl
import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from serve.conftest import GOLDEN, KEY

from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.schema import InputError
from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.keys import Keys, keys_of
from micrec_pyg.serve.limits import LIMITS
from micrec_pyg.serve.questions import AddInteractions, AddItems, NewItem
from micrec_pyg.serve.shelf import Shelf, load_served, names_of

ASKED = {"users": ["u1"], "domain": "food"}
BY_HISTORY = {"domain": "food", "history": {"food": ["food1"]}}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({**ASKED, "k": 0}, "k", "give 1 or more"),
        ({**ASKED, "k": 1001}, "k", "give 1000 or less"),
        ({**ASKED, "k": "5"}, "k", "give a whole number"),
        ({**ASKED, "K": 5}, "K", "give any of model, domain, users, history, k"),
        ({**ASKED, "users": []}, "users", "not empty"),
        ({**ASKED, "users": ["u1"] * 1001}, "users", "at most 1000"),
        (
            {**ASKED, "users": ["u1"] * 1000, "k": 21},
            "users",
            "1000 users with k=21 are 21,000 rows; give at most 20,000, users times k",
        ),
        ({**ASKED, "users": "u1"}, "users", "give a list"),
        ({**ASKED, "users": [1]}, "users[0]", "give a text"),
        ({**ASKED, "users": ["\0" + "3"]}, "users[0]", "without a zero character"),
        ({**ASKED, "users": ["\ud800"]}, "users[0]", "give a text"),
        ({**ASKED, "users": ["nobody"]}, "users", "domain food has no user 'nobody'"),
        ({**ASKED, "items": ["x"]}, "items", "domain food has no item 'x'"),
        ({**ASKED, "domain": "toys"}, "domain", "give one of food, kitchen"),
        ({"users": ["u1"]}, "domain", "give one of food, kitchen"),
        ({**ASKED, "model": "x"}, "model", "unknown; give one of golden"),
        ({"domain": "food"}, "users", "give either users or history"),
        ({**ASKED, **BY_HISTORY}, "users", "give either users or history"),
        ({"domain": "food", "history": {"x": []}}, "history.x", "food, kitchen"),
        ({"domain": "food", "history": {"food": ["x"]}}, "history", "no item 'x'"),
        (
            {"domain": "food", "history": {"food": ["food1"] * 1001}},
            "history.food",
            "at most 1000",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_it_allows(client, body, field, words):
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    found = client.post("/v1/recommend", content=content, headers=headers)
    assert found.status_code == 422
    (error,) = found.json().values()
    assert error["field"] == field
    assert words in error["message"]


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("items?domain=food&limit=0", "limit", "give 1 or more"),
        ("items?domain=food&limit=many", "limit", "give a whole number"),
        ("items?domain=food&Q=tea", "Q", "give any of model, domain, q, limit"),
        ("items", "domain", "give one of food, kitchen"),
        ("history", "user", "is missing"),
        ("history?user=nobody", "user", "food, kitchen have no user"),
    ],
)
def test_so_is_a_wrong_parameter(client, path, field, words):
    found = client.get(f"/v1/{path}")
    assert found.status_code == 422
    assert found.json()["error"]["field"] == field
    assert words in found.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"null", "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"k": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b" " * (4 * 2**20 + 1), "application/json", 413),
    ],
)
def test_bodies_that_are_no_json(client, content, kind, status):
    headers = {"Content-Type": kind}
    found = client.post("/v1/recommend", content=content, headers=headers)
    assert found.status_code == status
    assert found.json()["error"]["message"]


@pytest.mark.parametrize("raw", ["nan", "null", "-5", "a\nb", "é" * 300])
def test_an_id_that_no_file_may_have_is_no_new_one(raw):
    for kind, name, row in (
        (AddItems, "items", {"item": raw, "text": "tea"}),
        (AddInteractions, "interactions", {"user": raw, "item": "food1"}),
    ):
        good = {key: value if value != raw else "é" * 200 for key, value in row.items()}
        kind.model_validate({name: [good]})
        with pytest.raises(ValidationError, match=r"row 2: got .*(needed|negative)"):
            kind.model_validate({name: [good, row, row]})


@pytest.mark.parametrize("number", [1e39, -1e16])
def test_a_vector_has_numbers_whose_squares_can_be_added(number):
    with pytest.raises(ValidationError, match=r"than or equal to -?1"):
        NewItem.model_validate({"item": "a", "vectors": {"text": [1.0, number]}})


def test_other_paths_and_methods_have_the_same_shape(client):
    for path, method, status in (("/nothing", "GET", 404), ("/v1/models", "PUT", 405)):
        found = client.request(method, path, json={})
        assert found.status_code == status
        assert found.json()["error"]["message"]
    found = client.get("/v1/recommend")
    assert (found.status_code, found.headers["Allow"]) == (405, "POST")
    said = found.json()["error"]["message"]
    assert said == "send POST to /v1/recommend, not GET"


def test_too_many_at_once_are_told_to_come_again():
    app = make_app(
        Shelf([load_served("golden", GOLDEN)]),
        limits=replace(LIMITS, at_once=0),
    )
    client = TestClient(app)
    found = client.post("/v1/recommend", json=ASKED)
    assert (found.status_code, found.headers["Retry-After"]) == (503, "1")
    assert client.get("/health").status_code == 200


def drips(app, bodies, *, path="/v1/recommend", headers=()):
    """Return the statuses of requests whose bodies come in parts, at the same time."""

    async def one(parts):
        status, left = [], list(parts)

        async def receive():
            await asyncio.sleep(0.01)
            body = left.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(left)}

        async def send(message):
            status.append(message.get("status"))

        given = [(b"content-type", b"application/json"), *headers]
        scope = {"type": "http", "method": "POST", "path": path, "headers": given}
        scope |= {"query_string": b"", "raw_path": path.encode(), "root_path": ""}
        await app(scope, receive, send)
        return status[0], len(left)

    async def every():
        return await asyncio.gather(*map(one, bodies))

    return asyncio.run(every())


def test_bodies_have_a_limit_together():
    limits = replace(LIMITS, body_bytes=1000, bodies_bytes=3000)
    app = make_app(Shelf([load_served("golden", GOLDEN)]), limits=limits)
    body = json.dumps(ASKED).encode()
    parts = [b" " * 300, b" " * 300, b" " * 300, body]
    assert {status for status, _ in drips(app, [parts] * 3)} == {200}
    statuses = [status for status, _ in drips(app, [parts] * 5)]
    assert {*statuses} == {200, 503}
    # what they held is free again
    assert {status for status, _ in drips(app, [parts] * 3)} == {200}
    assert drips(app, [[b" " * 600] * 3]) == [(413, 1)]


def test_no_body_is_read_without_a_key():
    keys = Keys(read=[KEY])
    app = make_app(Shelf([load_served("golden", GOLDEN)]), keys=keys)
    assert drips(app, [[b"{", b"}"]]) == [(401, 2)]
    assert drips(app, [[b"{", b"}"]], path="/v1/nothing") == [(401, 2)]
    named = [(b"authorization", f"bearer {KEY}".encode())]
    assert drips(app, [[b"{", b"}"]], headers=named) == [(422, 0)]
    assert TestClient(app).get("/v1/openapi.json").status_code == 200


def test_what_can_be_got_has_a_head(client):
    for path in ("/health/live", "/health/ready", "/metrics", "/v1/models", "/"):
        found = client.head(path)
        assert (found.status_code, found.content) == (200, b""), path
        assert int(found.headers["Content-Length"]) > 0
    assert client.head("/v1/recommend").status_code == 405


def test_health_does_not_wait_for_slow_questions(monkeypatch):
    """They fill the threads that answer; health needs none."""
    app = make_app(Shelf([load_served("golden", GOLDEN)]))
    begun, gate = [], threading.Event()

    def slow(*_, **__):
        begun.append(None)
        gate.wait(30)
        return pl.DataFrame()

    monkeypatch.setattr(Recommender, "similar_items", slow)
    question = {"item": "food1", "domain": "food"}
    with TestClient(app) as client:
        many = [
            threading.Thread(target=client.post, args=("/v1/similar",), kwargs=each)
            for each in [{"json": question}] * 42
        ]
        for thread in many:
            thread.start()
        try:
            while len(begun) < 40:
                time.sleep(0.01)
            begin = time.perf_counter()
            for path in ("/health/live", "/health/ready", "/metrics"):
                assert client.get(path).status_code == 200
            assert time.perf_counter() - begin < 10
        finally:
            gate.set()
            for thread in many:
                thread.join()


def test_what_is_unexpected_has_an_id_that_the_log_has(client, monkeypatch, caplog):
    rec = client.app.state.shelf.get(None).rec
    monkeypatch.setattr(type(rec), "similar_items", lambda *a, **b: 1 / 0)
    with caplog.at_level(logging.ERROR):
        found = client.post("/v1/similar", json={"item": "food1", "domain": "food"})
    assert found.status_code == 500
    error = found.json()["error"]
    assert error["id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivision" not in found.text
    assert "Traceback" not in found.text


def with_keys(**keys):
    return TestClient(
        make_app(Shelf([load_served("golden", GOLDEN)]), keys=Keys(**keys))
    )


def test_writing_is_off_without_a_key(client):
    found = client.post("/v1/remove", json={"users": ["u1"]})
    assert found.status_code == 403
    assert "--write-key-file" in found.json()["error"]["message"]


def test_keys_open_what_they_are_for():
    client = with_keys(read=["r" * 20], write=["w" * 20])
    opens = {"r" * 20: (200, 401), "w" * 20: (200, 403), "x" * 20: (401, 401)}
    for key, expected in opens.items():
        headers = {"Authorization": f"Bearer {key}"}
        asked = client.post("/v1/recommend", json=ASKED, headers=headers)
        body = {"users": ["u1"]}
        # the artefact takes no additions: a key that fits gets no further than that
        wrote = client.post("/v1/remove", json=body, headers=headers)
        assert (asked.status_code, wrote.status_code) == expected, key
    assert client.post("/v1/recommend", json=ASKED).status_code == 401
    assert client.get("/v1/models").status_code == 401
    assert client.get("/health").status_code == 200


def test_keys_of_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# of the shop\n{KEY}\n\n  {KEY * 2}  \n")
    assert keys_of(path, None) == [KEY, KEY * 2]
    assert keys_of(None, KEY) == [KEY]
    assert keys_of(None, f" {KEY}\n") == [KEY]
    assert keys_of(None, None) == []
    with pytest.raises(InputError, match="a key of the environment: a key has fewer"):
        keys_of(None, " \n")  # never open to everybody where a key was meant
    for content, words in (("short\n", "fewer than 16"), ("# none\n", "no key")):
        path.write_text(content)
        with pytest.raises(InputError, match=words):
            keys_of(path, None)


def test_names_of_artefacts():
    found = names_of(["films", "a=x/y", "runs/one/artefact", "./two/"])
    assert [*found] == ["films", "a", "one", "two"]
    with pytest.raises(InputError, match="two artefacts are called 'films'"):
        names_of(["films", "old/films"])
    with pytest.raises(InputError, match="a name has letters"):
        names_of(["my films"])


def test_metrics_count_requests_by_path_and_hold_no_ids(client):
    client.post("/v1/recommend", json=ASKED)
    client.get("/v1/nothing/u1")
    text = client.get("/metrics").text
    line = 'micrec_requests_total{method="POST",path="/v1/recommend",status="200"}'
    assert line in text
    assert 'path="other",status="404"' in text
    assert "u1" not in text
