"""Whatever arrives, the service goes on and answers in its own words."""

import json
import random
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from serve.conftest import KEY
from serve.processes import Process

pytestmark = pytest.mark.fuzz

EXAMPLES = 150
MALFORMED = 10_000


def test_answers_are_what_the_openapi_document_says(start, tried):
    # here, because all tests are collected to run any, and this takes a second
    import schemathesis
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as openapi

    expected = [
        checks.not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_schema_conformance,
    ]
    client = start()
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", client.app)
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def conforms(case):
            nonlocal count
            count += 1
            headers = {"Authorization": f"Bearer {KEY}"}
            case.call_and_validate(headers=headers, checks=expected)

        conforms()
    assert count > EXAMPLES * 8
    tried("requests that schemathesis makes of the OpenAPI document", count)


def head(path, length, kind="application/json", method="POST"):
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


GOOD = {
    "recommend": {"users": ["u1"], "domain": "food", "k": 5},
    "similar": {"item": "food1", "domain": "food"},
    "explain": {"user": "u1", "item": "food2", "domain": "food"},
    "items": {"items": [{"item": "n", "vectors": {"text": [1] * 6}}], "domain": "food"},
    "interactions": {"interactions": [{"user": "n", "item": "food1"}]},
    "remove": {"users": ["nobody"]},
    "reload": {"model": "nothing"},
}
ODD = [None, True, -1, 0, 10**30, 1e308, "", "x" * 3000, "\0", [], {}, [[]], {"a": {}}]
CUT = ("chunk", "cut", "cut head", "length", "raw")
"""Kinds after which a service might wait for more."""


def malformed(choice):
    """Return a kind and the bytes of a request that cannot be answered."""
    name = choice.choice(sorted(GOOD))
    path, body = f"/v1/{name}", json.dumps(GOOD[name]).encode()
    size, good = len(body), head(path, len(body))
    chunked = head(path, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    kinds = {
        "raw": lambda: choice.randbytes(choice.randrange(1, 2000)),
        "text": lambda: head(path, 300) + choice.randbytes(300),
        "cut": lambda: good + body[: choice.randrange(size)],
        "cut head": lambda: good[: choice.randrange(1, 100)],
        "long": lambda: head(path, size // 2) + body,
        "number": lambda: whole(
            path, b'{"k": %b}' % (b"9" * choice.randrange(1, 9999))
        ),
        "deep": lambda: whole(path, choice.choice([b"[", b'{"a":']) * 50_000),
        "kind": lambda: head(path, size, choice.choice(["text/xml", "", "\t"])) + body,
        "length": lambda: head(path, choice.choice([-1, 10**30, "x", ""])) + body,
        "odd": lambda: whole(path, odd(name, choice)),
        "key": lambda: whole(path, json.dumps({**GOOD[name], "x" * 99: 1}).encode()),
        "byte": lambda: whole(path, flipped(body, choice)),
        "method": lambda: good.replace(b"POST", choice.choice([b"PUT", b"X"])) + body,
        "path": lambda: head("/" + "%00/../" * choice.randrange(200), 2) + b"{}",
        "chunk": lambda: chunked + b"zz\r\n" + body,
        "headers": lambda: (
            head(path, 0)[:-2] + b"a: b\r\n" * choice.randrange(9000) + b"\r\n"
        ),
    }
    kind = choice.choice(sorted(kinds))
    return kind, kinds[kind]()


def whole(path, body):
    return head(path, len(body)) + body


def flipped(body, choice):
    place = choice.randrange(len(body))
    return body[:place] + bytes([choice.randrange(256)]) + body[place + 1 :]


def odd(name, choice):
    """Return a body one of whose values is of another kind."""
    wrong = {**GOOD[name]}
    wrong[choice.choice(sorted(wrong))] = choice.choice(ODD)
    return json.dumps(wrong).encode()


def send(port, content, *, ends):
    """Return what comes back; ``ends``: the client says that no more will come."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as place:
        found = b""
        try:
            place.sendall(content)
            if ends:
                place.shutdown(socket.SHUT_WR)
            while part := place.recv(65_536):
                found += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused before all of it was sent
        return found


def test_malformed_requests_leave_it_serving(tmp_path, tried):
    choice = random.Random(0)
    statuses: dict[bytes, int] = {}
    with Process(tmp_path / "log", "--state", str(tmp_path / "state")) as process:
        for _ in range(MALFORMED):
            kind, content = malformed(choice)
            found = send(process.port, content, ends=kind in CUT)
            status = found[9:12]
            assert status != b"500", (content, found)
            statuses[status] = statuses.get(status, 0) + 1
        status, after = process.ask("/v1/recommend", GOOD["recommend"])
        assert process.end() == 0
    assert status == 200
    assert len(after["lists"][0]["rows"]) == 5
    assert {b"400", b"405", b"415", b"422"} <= statuses.keys()
    log = process.log.read_text()
    assert "unexpected" not in log
    assert "Traceback" not in log
    tried("malformed requests to a running service", MALFORMED)
