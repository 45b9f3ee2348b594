"""The notebook runs from an empty folder, and its stored outputs are what it prints."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from printed import same_text

ROOT = Path(__file__).parent.parent
PATH = ROOT / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return json.loads(PATH.read_text("utf-8"))


def cells_of(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stored(cell: dict[str, Any]) -> str:
    return "".join("".join(output["text"]) for output in cell["outputs"])


def test_it_is_a_notebook_of_format_4(notebook) -> None:
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", each) for each in ids)
    for cell in notebook["cells"]:
        fields = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            fields |= {"execution_count", "outputs"}
        assert {*cell} == fields
        assert all(isinstance(line, str) for line in cell["source"])
    counts = [cell["execution_count"] for cell in cells_of(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in cells_of(notebook):
        for output in cell["outputs"]:
            assert {*output} == {"output_type", "name", "text"}
            assert (output["output_type"], output["name"]) == ("stream", "stdout")


def test_every_cell_prints_what_is_stored(
    notebook, tmp_path, monkeypatch, capsys
) -> None:
    """A kernel's way, without one: every code cell in one namespace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MICREC_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = cells_of(notebook)
    assert len(cells) > 5
    with pl.Config():  # a cell may set how frames are printed
        for cell in cells:
            exec("".join(cell["source"]), names)
            printed = capsys.readouterr().out
            # of some 45 users one or two may find another item on another kind of CPU
            assert same_text(printed, stored(cell), within=0.05), printed
