"""A warning is said once: of a run, and in a process that works on none."""

import logging
from pathlib import Path

import pytest

from micrec_pyg.run_warnings import warn, working_on

logger = logging.getLogger("warned")


def test_each_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        warn(logger, "ties", "%d ties", 2)
        with working_on("inmo", Path("a/one")):
            warn(logger, "ties", "%d ties", 3)
        with working_on("inmo", Path("a/two")):
            warn(logger, "ties", "%d ties", 4)
            warn(logger, "edges", "no edges")
    assert caplog.messages == [
        "2 ties",
        "inmo, one: 3 ties",
        "inmo, two: 4 ties",
        "inmo, two: no edges",
    ]
