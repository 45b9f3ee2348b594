"""The Dockerfile, read: docker is not at hand where the tests run."""

import json
import re
from fnmatch import fnmatch

import pytest

from micrec_pyg.cli.serve import _parser

FOLDER = "examples/service"


@pytest.fixture(scope="module")
def steps(root):
    """Return (instruction, rest) pairs; continued lines are one."""
    text = (root / FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def of(steps, name):
    return [rest for kind, rest in steps if kind == name]


def test_images_are_pinned(steps):
    images = [rest.split()[0] for rest in of(steps, "FROM")]
    assert images
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z-]+", image)


def test_it_runs_without_rights_and_asks_itself(steps):
    last = [kind for kind, _ in steps].index("ENTRYPOINT")
    (user,) = of(steps[:last], "USER")
    assert int(user) >= 10_000
    (check,) = of(steps, "HEALTHCHECK")
    assert "/health/ready" in check
    command = json.loads(check[check.index("[") :])
    compile(command[-1], "check", "exec")
    assert not [rest for rest in of(steps, "ENV") if "KEY" in rest]
    assert not of(steps, "ADD")


def test_what_is_copied_is_there_and_not_ignored(root, steps):
    ignored = (root / FOLDER / "Dockerfile.dockerignore").read_text().split()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert ignored[0] == "*"
    for rest in of(steps, "COPY"):
        if not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (root / source).exists()
                assert any(fnmatch(source, name) for name in kept)


def test_the_command_is_one_that_micrec_takes(steps):
    (entry,), (rest,) = of(steps, "ENTRYPOINT"), of(steps, "CMD")
    command = json.loads(entry) + json.loads(rest)
    assert command[:2] == ["micrec", "serve"]
    given = _parser().parse_args(command[2:])
    assert given.host == "0.0.0.0"
    assert given.artefacts == ["model=/artefact"]
    assert given.open is False
    state = str(given.state)
    assert state in of(steps, "VOLUME")
