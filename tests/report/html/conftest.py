"""The three kinds of page, made once for the tests of this folder."""

import logging
from pathlib import Path
from unittest.mock import patch

import pytest
from reference.pages import examples, write_study, write_sweep

from micrec_pyg.cli import report, sweep


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the files of the pages by kind."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    runs = write_study(tmp_path_factory.mktemp("runs"))
    single = runs / "1-1-s0"
    folder = write_sweep(tmp_path_factory.mktemp("sweeps") / "s", runs)
    assert report.main([str(runs), "--html"]) == 0
    with patch.object(report, "_examples", lambda run: examples()):
        assert report.main([str(single), "--html"]) == 0
    assert sweep.main([str(folder), "--html"]) == 0
    root.handlers[:], root.level = before[0], before[1]
    return {
        "study": runs / "report.html",
        "single": single / "report.html",
        "sweep": folder / "sweep.html",
    }
