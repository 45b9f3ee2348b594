"""Rows into indexed interactions."""

import polars as pl
import torch
from reference.raw import pairs

from micrec_pyg.data.catalogue.interactions import (
    list_items,
    make_vocabulary,
    to_interactions,
)


def test_items_nobody_touched_stay_and_unlisted_items_are_added():
    rows = pl.DataFrame({"user": ["b", "a", "b"], "item": ["z", "y", "y"]})
    items = list_items(rows, pl.Series(["x", "y"]))
    assert items.to_list() == ["x", "y", "z"]
    data = to_interactions(rows, items)
    assert sorted(data.users.ids) == ["a", "b"]
    assert sorted(data.items.ids) == ["x", "y", "z"]
    assert pairs(data) == [("b", "z"), ("a", "y"), ("b", "y")]
    assert data.time is None
    assert data.part is None


def test_times_and_parts_stay_with_their_rows():
    rows = pl.DataFrame(
        {"user": ["b", "a"], "item": ["x", "y"], "time": [5, 3], "part": [2, 0]}
    )
    data = to_interactions(rows, pl.Series(["y", "x"]))
    assert pairs(data) == [("b", "x"), ("a", "y")]
    assert data.time.tolist() == [5, 3]
    assert data.part.tolist() == [2, 0]


def test_the_numbering_depends_on_the_set_of_ids_alone():
    ids = pl.Series([str(n) for n in range(1000)])
    numbered = make_vocabulary(ids).ids
    assert sorted(numbered) == sorted(ids)
    for other in (ids.reverse(), ids.cast(pl.Categorical), ids.shuffle(seed=3)):
        assert make_vocabulary(other).ids.equals(numbered)


def test_popular_nodes_are_spread_evenly():
    """A quarter of the rows has a quarter of the edges, though files begin popular."""
    count = 4000
    popular = torch.arange(1, count + 1).double().rsqrt()
    place = make_vocabulary(pl.Series([f"{n:05}" for n in range(count)])).ids
    weight = popular[torch.tensor([int(raw) for raw in place])]
    share = torch.stack([part.sum() for part in weight.chunk(4)]) / weight.sum()
    assert float((share - 0.25).abs().max()) < 0.02
