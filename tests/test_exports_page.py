"""What docs/exports.md shows runs as it stands, on another artefact."""

import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from micrec_pyg.cli.export import main

PAGE = Path(__file__).parents[1] / "docs" / "exports.md"
GOLDEN = Path(__file__).parent / "inference" / "golden_format_1"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def shown(language):
    """Return the code of the page, which speaks of films, for the golden shop."""
    found = [code for name, code in BLOCK.findall(PAGE.read_text()) if name == language]
    names = {"-A.": "-food.", '"13"': '"u5"', '"50"': '"food1"'}
    names |= {'"172"': '"food2"', '"181"': '"food3"'}
    for old, new in names.items():
        found = [code.replace(old, new) for code in found]
    return found


@pytest.fixture
def _out(tmp_path, monkeypatch):
    """Work where the page does: with the folders films and out."""
    monkeypatch.chdir(tmp_path)
    Path("films").symlink_to(GOLDEN)
    assert main(["parquet", "films", "--output", "out", "--domain", "food"]) == 0


@pytest.mark.usefixtures("_out")
def test_the_queries_of_the_page_have_answers():
    queries = shown("sql")
    assert len(queries) == 4
    tables = [duckdb.sql(query).pl() for query in queries]
    assert [table.height > 0 for table in tables] == [True] * 4
    lists, reasons, scores, known = tables
    top = pl.read_parquet("out/top-food.parquet")
    assert lists["lists"][0] == top.group_by("item").len()["len"].max()
    assert reasons["people"].sum() >= top["user"].n_unique()
    first = top.filter(
        pl.col("user") == pl.read_parquet("out/users-food.parquet")["user"][0]
    )
    assert scores["score"][0] >= first["score"][0] - 1e-5
    assert known["item"].str.starts_with("food").all()


@pytest.mark.usefixtures("_out")
def test_the_programs_of_the_page_run(tmp_path):
    faiss_program, onnx_program = shown("python")
    assert main(["faiss", "films", "--output", "index", "--domain", "food"]) == 0
    code = faiss_program.replace("out/items", "index/items")
    exec(compile(code, str(PAGE), "exec"), {})
    assert main(["onnx", "films", "--output", "out", "--domain", "food"]) == 0
    names: dict = {}
    exec(compile(onnx_program, str(PAGE), "exec"), names)
    assert names["scores"].shape == (1, names["items"].height)
