"""docs/service.md: its examples answer what it shows, its table has every path."""

import json
import re
import shlex

import pytest
from fastapi.testclient import TestClient
from serve.conftest import GOLDEN

from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.shelf import Shelf, load_served


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "service.md").read_text()


def test_the_examples_answer_what_the_page_shows(page):
    client = TestClient(make_app(Shelf([load_served("shop", GOLDEN)])))
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    examples = re.findall(
        r"^\$ (curl .*?)\n(\{.*?)(?=^\$|\Z)", block, re.DOTALL | re.MULTILINE
    )
    assert len(examples) == 2
    for command, shown in examples:
        _, _, url, _, header, _, body = shlex.split(command.replace("\\\n", ""))
        path = url.removeprefix("localhost:8000")
        headers = dict([header.split(": ")])
        found = client.post(path, content=body, headers=headers).json()
        expected = json.loads(shown)
        for lists in (found.get("lists", []), expected.get("lists", [])):
            for row in lists[0]["rows"] if lists else []:
                row["score"] = pytest.approx(row["score"], abs=1e-5)
        assert found == expected


def test_every_path_has_a_line(page, client):
    paths = client.get("/v1/openapi.json").json()["paths"]
    assert len(paths) > 10
    for path in paths:
        assert path.split("{")[0].rstrip("/") in page, path
