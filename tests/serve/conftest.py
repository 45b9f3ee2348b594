"""The golden artefact behind the service."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.shelf import Shelf, load_served

GOLDEN = Path(__file__).parent.parent / "inference" / "golden_format_1"


@pytest.fixture(scope="session")
def client() -> TestClient:
    """Return a client of a service that only answers."""
    return TestClient(make_app(Shelf([load_served("golden", GOLDEN)])))
