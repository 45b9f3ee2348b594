"""``micrec data stats`` on the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image
from reference.malformed import write

from micrec_pyg.data.describe.card import data_card
from micrec_pyg.data.describe.statistics import measure_catalogues
from micrec_pyg.data.sources import Tables

LINES = b"user\titem\trating\na\tx\t5\nb\ty\t4\nb\tx\t1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", {"interactions.tsv": LINES})


def test_numbers_card_and_picture(micrec, folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "new"
    argv = [f"--json={out}/s.json", f"--card={out}/c.md", f"--plot={out}/p.png"]
    assert micrec("data", "stats", folder, "data.rating_min=2", *argv) == 0
    shown = capsys.readouterr().out
    assert ["d", "2", "2", "2", "50.0000%", "none"] == shown.splitlines()[2].split()[:6]
    options = {
        "domains": None,
        "columns": None,
        "text_fields": None,
        "text_sep": ". ",
        "rating_min": 2,
        "duplicates": "last",
        "filters": None,
        "links": None,
        "split_by": None,
    }
    catalogues = Tables.read(path=str(folder), **options)
    assert json.loads((out / "s.json").read_text()) == measure_catalogues(catalogues)
    assert (out / "c.md").read_text() == data_card(catalogues)
    with Image.open(out / "p.png") as image:
        image.load()
    assert len(list(out.iterdir())) == 3


def test_a_named_data_set_and_filters(micrec, data_root: Path, capsys) -> None:
    named = ["data=synthetic", f"data.root={data_root}", "data.with_images=false"]
    assert (
        micrec("data", "stats", *named, "data.num_users=60", "data.num_items=40") == 0
    )
    shown = capsys.readouterr().out
    assert "d0, d1" in shown
    assert "share" in shown


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["nowhere"], "no such folder"),
        (["data=movilens"], "did you mean data=movielens"),
        (["{folder}", "--plot=p.bmp"], "give a file in .png"),
        (["{folder}", "--card={folder}"], "is a folder"),
        (["{folder}", "data.filters.user_core=9"], "no interaction is left"),
        (["{folder}", "data.filters.usr_core=9"], "user_core"),
        (["{folder}", "data.filters.time_from=2016-01-01"], "need a column timestamp"),
    ],
)
def test_impossible_calls_are_code_2(
    micrec, argv, fault, folder: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [each.format(folder=folder) for each in argv]
    assert micrec("data", "stats", *filled) == 2
    assert fault in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["shop"]
