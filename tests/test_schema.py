"""The nouns of the project."""

import polars as pl
import pytest

from micrec_pyg import schema
from micrec_pyg.schema import Vocab


@pytest.mark.parametrize("few", [0, 64])
def test_ids_are_found_one_by_one_and_all_at_once(few, monkeypatch):
    monkeypatch.setattr(schema, "FEW_IDS", few)
    vocab = Vocab(pl.Series(["b", "7", "a", ""]))
    asked = pl.Series(["a", None, "7", "c", "a", ""])
    assert vocab.index(asked).tolist() == [2, -1, 1, -1, 2, 3]
    assert vocab.index(pl.Series([7, 8])).tolist() == [1, -1]
    assert vocab.index(pl.Series([], dtype=pl.String)).tolist() == []
