"""Rows into indexed interactions."""

import polars as pl

from micrec_pyg.data.interactions import all_items, to_interactions


def raw_edges(data):
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    pairs = zip(data.user.tolist(), data.item.tolist(), strict=True)
    return [(users[u], items[i]) for u, i in pairs]


def test_items_nobody_touched_stay_and_unlisted_items_are_added():
    rows = pl.DataFrame({"user": ["b", "a", "b"], "item": ["z", "y", "y"]})
    items = all_items(rows, pl.Series(["x", "y"]))
    assert items.to_list() == ["x", "y", "z"]
    data = to_interactions(rows, items)
    assert data.users.ids.to_list() == ["b", "a"]
    assert data.items.ids.to_list() == ["x", "y", "z"]
    assert raw_edges(data) == [("b", "z"), ("a", "y"), ("b", "y")]
    assert data.time is None
    assert data.part is None


def test_times_and_parts_stay_with_their_rows():
    rows = pl.DataFrame(
        {"user": ["b", "a"], "item": ["x", "y"], "time": [5, 3], "part": [2, 0]}
    )
    data = to_interactions(rows, pl.Series(["y", "x"]))
    assert data.edges.tolist() == [[0, 1], [1, 0]]
    assert data.time.tolist() == [5, 3]
    assert data.part.tolist() == [2, 0]
