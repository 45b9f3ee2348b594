"""The content of added items: read as that of a catalogue's, and told alike."""

import dataclasses
from pathlib import Path

import polars as pl
import pytest
import torch

from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.schema import InputError

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
