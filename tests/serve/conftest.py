"""The golden artefact behind the service, alone or with a journal."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.keys import Keys
from micrec_pyg.serve.shelf import Shelf, load_served

GOLDEN = Path(__file__).parent.parent / "inference" / "golden_format_1"
KEY = "a key of the tests"


@pytest.fixture(scope="session")
def client() -> TestClient:
    """Return a client of a service that only answers."""
    return TestClient(
        make_app(Shelf([load_served("golden", GOLDEN)])), raise_server_exceptions=False
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts a service with a journal; the one before ends."""
    running: list[TestClient] = []

    def stop() -> None:
        for client in running:
            client.__exit__(None, None, None)
            for served in client.app.state.shelf:
                if served.journal is not None:
                    served.journal.close()
        running.clear()

    def begin(path: Path = GOLDEN, **options: Any) -> TestClient:
        stop()
        given = {"state": tmp_path / "state", "writable": True, **options}
        app = make_app(
            Shelf([load_served("golden", path, **given)]), keys=Keys(write=[KEY])
        )
        client = TestClient(app, headers={"Authorization": f"Bearer {KEY}"})
        running.append(client.__enter__())
        return client

    yield begin
    stop()
