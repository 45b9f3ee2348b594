"""The content of added items: read as that of a catalogue's, and told alike."""

from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.schema import InputError

GOLDEN = Path(__file__).parent / "golden_format_1"


@pytest.fixture
def food() -> Recommender:
    return load(GOLDEN)


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
