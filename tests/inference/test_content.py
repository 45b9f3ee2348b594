"""The content of added items: read as that of a catalogue's, and told alike."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import torch

from micrec_pyg.inference.content import features_of
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.schema import IMAGE, Feature, InputError

GOLDEN = Path(__file__).parent / "golden_format_1"


class Encoder:
    """Encodes every text and file by the length of its name, but for bad ones."""

    name, reads, settings = "lengths", "text", {}

    def encode(self, items):
        rows = [[float(len(item))] * 6 for item in items]
        bad = torch.tensor([["bad" in item] for item in items])
        return torch.where(bad, torch.nan, torch.tensor(rows))


@pytest.fixture
def food() -> Recommender:
    """Return a recommender of a run that has an encoder of texts."""
    world = load(GOLDEN)._world
    node = {"_target_": "micrec_pyg.features.SentenceTransformer"}
    settings, encoders = {**world.features, "text": node}, {"text": Encoder()}
    return Recommender(dataclasses.replace(world, features=settings, encoders=encoders))


def test_a_vector_of_zeros_is_one_that_is_missing(food, caplog):
    table = pl.DataFrame({"item": ["n", "m"], "text": [[0.0] * 6, [1.0] + [0.0] * 5]})
    food.add_items(table, domain="food")
    assert food.features(["n", "m"], domain="food")["text"].mask.tolist() == [0, 1]
    assert (
        "items, column 'text': 1 items have a vector of zeros, such as 'n'; they count"
        in caplog.text
    )
    with pytest.raises(InputError, match="the item has no content that the run"):
        food.similar_items("n", domain="food", by="content")
    assert food.similar_items("m", domain="food", by="content").height


def test_texts_are_as_a_table_of_items_has_them(food, caplog):
    titles = ["NaN", " \n", " green tea\n", "N/A", None, "None of it"]
    items = [f"n{place}" for place in range(len(titles))]
    food.add_items(pl.DataFrame({"item": items, "title": titles}), domain="food")
    found = food.titles("food").filter(pl.col("item").is_in(items))
    expected = [None, None, "green tea", None, None, "None of it"]
    assert found["title"].to_list() == expected
    text = food.features(items, domain="food")["text"]
    assert text.mask.tolist() == [each is not None for each in expected]
    assert text.values[2].tolist() == [len("green tea")] * 6
    assert "items, column 'title': 2 texts are 'N/A', 'NaN' and count" in caplog.text


@pytest.mark.parametrize("column", ["title", "text"])
def test_lists_of_texts_are_joined_as_in_a_table_of_items(food, column):
    texts = [["green", " tea", None, "nan"], [], None, ["null"]]
    items = [f"n{place}" for place in range(len(texts))]
    food.add_items(pl.DataFrame({"item": items, column: texts}), domain="food")
    mask = food.features(items, domain="food")["text"].mask
    assert mask.tolist() == [True, False, False, False]
    assert food.titles("food")["title"].tail(4).to_list()[0] == "green  tea"
    array = pl.DataFrame(
        {"item": ["a"], column: [["black", "tea"]]},
        schema_overrides={column: pl.Array(pl.Categorical, 2)},
    )
    food.add_items(array, domain="food")
    assert food.titles("food")["title"][-1] == "black tea"


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ([{"en": 1}], "Struct"),
        ([[1.0]], "List"),
        ([[["a"]]], "List"),
        ([b"a"], "Binary"),
        ([timedelta(1)], "Duration"),
    ],
)
def test_a_title_that_is_no_text_is_refused(food, title, kind):
    table = pl.DataFrame({"item": ["n"], "title": title})
    need = "needed: texts, or lists of texts"
    with pytest.raises(
        InputError, match=rf"items: column title holds {kind}.*; {need}"
    ):
        food.add_items(table, domain="food")


def test_a_title_may_be_a_number_alone(food):
    table = pl.DataFrame({"item": ["n", "m"], "title": [1984, None]})
    food.add_items(table, domain="food")
    assert food.titles("food")["title"].tail(2).to_list() == ["1984", None]


def test_an_image_that_cannot_be_read_is_named(food, caplog, tmp_path):
    world, node = food._world, {"_target_": "micrec_pyg.features.ResNet"}
    one = world.domains["food"]
    blank = Feature(
        torch.zeros(len(one.interactions.items), 6),
        torch.zeros(len(one.interactions.items)) > 0,
    )
    able = dataclasses.replace(
        world,
        domains={"food": dataclasses.replace(one, features={IMAGE: blank})},
        features={IMAGE: node},
        encoders={IMAGE: Encoder()},
    )
    damaged = tmp_path / "bad.png"
    damaged.write_bytes(b"\x89PNG\r\n")
    files = ["good.jpg", str(damaged), str(tmp_path / "bad"), "https://bad.com/a.jpg"]
    files += [f"bad{place}.jpg" for place in range(10)]
    items = [f"n{place}" for place in range(len(files))]
    table = pl.DataFrame({"item": items, "image": files})
    found = features_of(able, "food", table)[IMAGE]
    assert found.mask.tolist() == [True] + [False] * 13
    told = caplog.messages
    assert len(told) == 10
    begin = f"items, column 'image': {str(damaged)!r} of 'n1' cannot be read (cannot "
    assert told[0].startswith(begin)
    assert "'https://bad.com/a.jpg' of 'n3' cannot be read (it is no regular" in told[2]
    assert "counts as without image; give another file, or null" in told[2]
    assert told[9].endswith("(3 more such rows in this file)")
