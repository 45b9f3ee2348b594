"""Numbers of a catalogue against hand-derived ones, its card and its picture."""

import dataclasses
import json

import polars as pl
import pytest
from PIL import Image
from reference.malformed import OPTIONS

from micrec_pyg.data.describe.card import data_card, summarize
from micrec_pyg.data.describe.plot import plot
from micrec_pyg.data.describe.statistics import count_by_month, measure_catalogues
from micrec_pyg.data.sources import Tables

DAY = 86_400
START = 1_451_606_400  # 2016-01-01


@pytest.fixture
def catalogues(tmp_path):
    """Food: users a (3 items), b (1), c (dropped); kitchen: users b, z."""
    root = tmp_path / "shop"
    food = [("a", "1", 5, 0), ("a", "2", 4, 40), ("a", "3", 5, 70), ("b", "1", 3, 10)]
    food.append(("c", "1", 1, 0))
    for name, rows in (
        ("food", food),
        ("kitchen", [("b", "9", 5, 0), ("z", "8", 5, 1)]),
    ):
        (root / name).mkdir(parents=True)
        lines = [f"{u}\t{i}\t{r}\t{START + d * DAY}" for u, i, r, d in rows]
        text = "\n".join(["user\titem\trating\ttimestamp", *lines, ""])
        (root / name / "interactions.tsv").write_text(text)
    items = "item\ttitle\n1\tTea | cup\n2\t\n3\tPan\n4\tNobody's\n"
    (root / "food/items.tsv").write_text(items)
    frame = pl.DataFrame({"item": ["1", "4"], "vector": [[1.0], [2.0]]})
    frame.write_parquet(root / "food/audio.parquet")
    options = {**OPTIONS, "rating_min": 2}
    return Tables.read(path=str(root), **options)


def test_the_numbers(catalogues):
    numbers = measure_catalogues(catalogues)
    json.dumps(numbers)
    food = numbers["domains"]["food"]
    assert (food["users"], food["items"], food["interactions"]) == (2, 4, 4)
    assert food["density"] == 0.5
    assert food["user_degree"] == {
        "mean": 2.0,
        "min": 1,
        "q25": 1,
        "median": 1,
        "q75": 3,
        "q95": 3,
        "max": 3,
    }
    # degrees of the items: 2, 1, 1, 0
    assert food["item_degree"]["mean"] == 1.0
    assert [food["item_degree"][q] for q in ("min", "median", "max")] == [0, 1, 2]
    assert food["items_without_interactions"] == 1
    assert food["coverage"] == {"text": 3, "image": 0, "audio": 2}
    assert food["time"] == {
        "is": "timestamp",
        "first": "2016-01-01T00:00:00+00:00",
        "last": "2016-03-11T00:00:00+00:00",
        "days": 70,
    }
    assert [step["interactions"] for step in food["steps"]] == [5, 5, 4]
    assert food["dropped"]["rating_below_min"] == 1
    assert numbers["overlap"] == {
        "food, kitchen": {"users": 1, "share of food": 0.5, "share of kitchen": 0.5}
    }


def test_months_are_counted(catalogues):
    table = count_by_month(catalogues["food"])
    assert table["interactions"].to_list() == [2, 1, 1]
    assert table["month"].dt.month().to_list() == [1, 2, 3]


def test_the_card_tells_sources_options_steps_and_losses(catalogues, tmp_path):
    card = data_card(catalogues)
    assert str(tmp_path) not in card
    for name, digest in catalogues["food"].sources.items():
        assert f"| {name} | `{digest}` |" in card
    assert "| rating >= 2 | 4 | 2 | 4 |" in card
    assert "| rating_below_min | 1 |" in card
    assert "| rating_min | `2.0` |" in card
    assert card.count("## Options") == 1
    assert "| food, kitchen | 1 | 50.0% of food; 50.0% of kitchen |" in card
    assert "| food | audio | 2 | 50.0% |" in card
    assert "Items without an interaction: 1." in card
    assert catalogues["food"].digest[:16] in card


def test_one_domain_shares_nothing(catalogues):
    alone = {"food": catalogues["food"]}
    assert "| one domain | - | - |" in data_card(alone)
    assert "one domain" in summarize(alone)


def test_columns_of_numbers_end_together(catalogues):
    title, head, food, kitchen = summarize(catalogues).splitlines()[:4]
    assert (title, food.split()[0], kitchen.split()[0]) == ("Sizes", "food", "kitchen")
    end = head.index("interactions") + len("interactions")
    assert food[:end].split() == ["food", "2", "4", "4"]
    assert kitchen[:end].split() == ["kitchen", "2", "2", "2"]
    assert food[end - 1] == "4"
    assert head.index("users") + 4 == food.index("2")


@pytest.mark.parametrize("names", [["food", "kitchen"], ["food"]])
def test_the_picture_shows_something_in_each_quarter(catalogues, names, tmp_path):
    path = tmp_path / "new/p.png"
    plot({name: catalogues[name] for name in names}, path)
    image = Image.open(path).convert("RGB")
    assert image.size == (1500, 1050)
    for left in (0, 750):
        for top in (0, 525):
            quarter = image.crop((left, top, left + 750, top + 525))
            assert len(quarter.getcolors(maxcolors=10**6)) > 50
    assert [each.name for each in path.parent.iterdir()] == ["p.png"]


def test_without_times_the_picture_says_so(catalogues, tmp_path):
    timeless = {
        name: dataclasses.replace(each, clock="order")
        for name, each in catalogues.items()
    }
    assert count_by_month(timeless["food"]) is None
    plot(timeless, tmp_path / "p.svg")
    assert (tmp_path / "p.svg").stat().st_size > 0
