"""``micrec data fetch``: a dry run downloads nothing, a real one everything."""

import pytest
from file_server import file_server

KEYS = ["data=amazon2018", "pair=[Books,Software]", "data.metadata=false"]


@pytest.fixture
def server():
    with file_server() as running:
        running.files["/categoryFilesSmall/Books.csv"] = b"x" * 12_345
        running.files["/categoryFilesSmall/Software.csv"] = b"y" * 55
        yield running


def test_a_dry_run_shows_sizes_and_writes_nothing(micrec, server, tmp_path, capsys):
    where = [f"data.base_url={server.url}", f"data.root={tmp_path / 'data'}"]
    assert micrec("data", "fetch", *KEYS, *where, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert f"12,345 bytes  {server.url}/categoryFilesSmall/Books.csv" in shown
    assert "to fetch: 12,400 bytes; free: " in shown
    assert {method for method, _, _ in server.asked} == {"HEAD"}
    assert list(tmp_path.iterdir()) == []
    assert micrec("data", "fetch", *KEYS, *where) == 0
    assert capsys.readouterr().out.count("is there") == 2
    folder = tmp_path / "data" / "raw" / "amazon2018" / "categoryFilesSmall"
    assert (folder / "Books.csv").stat().st_size == 12_345


@pytest.mark.parametrize(
    ("keys", "need"),
    [
        (["data=movielens"], "only Amazon Reviews"),
        (["data=movielens", "pair=food_kitchen"], "give data=amazon2014"),
        (["data=amazon2018"], "give one of food_kitchen, beauty_electronics, toy_game"),
        (["data=amazon2018", "pair=food"], "pair=food: give one of"),
        (["data=amazon2018", "pair=toy_game", "data.path=/x"], "your own raw files"),
    ],
)
def test_what_cannot_be_fetched_is_refused(micrec, capsys, keys, need):
    assert micrec("data", "fetch", *keys) == 2
    assert need in capsys.readouterr().err


def test_the_name_of_the_data_names_the_pair():
    from micrec_pyg.cli.config import composed

    pair = composed(["data=amazon2018", "pair=toy_game", "device=cpu"])
    assert pair["dataset"] == "amazon2018_toy_game"
    several = composed(["data=amazon2023", "data.pair=[Books,Software]", "device=cpu"])
    assert several["dataset"] == "amazon2023_Books_Software"
