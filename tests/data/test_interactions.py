"""Rows into indexed interactions; every dropped row is counted."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrec_pyg.data.interactions import to_interactions
from micrec_pyg.schema import InputError


def rows(*content, columns=("user", "item", "rating", "time")):
    return pl.DataFrame(list(content), schema=list(columns), orient="row")


def raw_edges(data):
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    pairs = zip(data.user.tolist(), data.item.tolist(), strict=True)
    return [(users[u], items[i]) for u, i in pairs]


def test_items_nobody_touched_stay_and_unlisted_items_are_added():
    table = rows(("b", "z"), ("a", "y"), ("b", "y"), columns=("user", "item"))
    data, dropped = to_interactions(
        table, pl.Series(["x", "y"]), rating_min=None, duplicates="error"
    )
    assert data.users.ids.to_list() == ["b", "a"]
    assert data.items.ids.to_list() == ["x", "y", "z"]
    assert raw_edges(data) == [("b", "z"), ("a", "y"), ("b", "y")]
    assert data.time is None
    assert data.part is None
    assert set(dropped.values()) == {0}


def test_threshold_drops_rows_then_empty_users_but_no_items():
    table = rows(("a", "x", 5.0, 1), ("a", "y", 3.0, 2), ("b", "z", 3.9, 3))
    data, dropped = to_interactions(
        table, pl.Series([], dtype=pl.String), rating_min=4, duplicates="error"
    )
    assert raw_edges(data) == [("a", "x")]
    assert data.users.ids.to_list() == ["a"]
    assert data.items.ids.to_list() == ["x", "y", "z"]
    assert data.time.tolist() == [1]
    assert dropped == {
        "duplicates": 0,
        "rating_below_min": 2,
        "users_without_interactions": 1,
    }


def test_the_last_word_counts_even_if_it_falls_below_the_threshold():
    table = rows(("a", "x", 2.0, 9), ("a", "y", 5.0, 2), ("a", "x", 5.0, 1))
    none = pl.Series([], dtype=pl.String)
    data, dropped = to_interactions(table, none, rating_min=4, duplicates="last")
    assert raw_edges(data) == [("a", "y")]
    assert (dropped["duplicates"], dropped["rating_below_min"]) == (1, 1)
    data, _ = to_interactions(table, none, rating_min=4, duplicates="first")
    assert raw_edges(data) == [("a", "y"), ("a", "x")]


def test_without_times_the_place_in_the_file_decides():
    table = rows(
        ("a", "x", 0), ("b", "x", 0), ("a", "x", 2), columns=("user", "item", "part")
    )
    none = pl.Series([], dtype=pl.String)
    first, _ = to_interactions(table, none, rating_min=None, duplicates="first")
    last, _ = to_interactions(table, none, rating_min=None, duplicates="last")
    assert first.part.tolist() == [0, 0]
    assert raw_edges(last) == [("b", "x"), ("a", "x")]
    assert last.part.tolist() == [0, 2]


def test_forbidden_duplicates_name_the_pair():
    table = rows(("b", "x"), ("a", "x"), ("a", "x"), columns=("user", "item"))
    with pytest.raises(InputError, match="user 'a' and item 'x'"):
        to_interactions(table, pl.Series(["x"]), rating_min=None, duplicates="error")


def test_an_unknown_policy_lists_the_valid_ones():
    table = rows(("a", "x"), columns=("user", "item"))
    with pytest.raises(
        InputError, match="'newest' is unknown; valid: first, last, err"
    ):
        to_interactions(table, pl.Series(["x"]), rating_min=None, duplicates="newest")


def test_nothing_left_is_an_error_that_counts():
    table = rows(("a", "x", 1.0, 0))
    with pytest.raises(InputError, match="no interaction is left of 1"):
        to_interactions(table, pl.Series(["x"]), rating_min=4, duplicates="last")


small = st.integers(0, 3)


@given(
    st.lists(st.tuples(small, small, small, small), min_size=1, max_size=20),
    st.sampled_from(["first", "last"]),
)
def test_duplicates_match_a_plain_loop(content, policy):
    table = rows(*((f"u{u}", f"i{i}", float(r), t) for u, i, r, t in content))
    best = {}
    for place, (u, i, _, t) in enumerate(content):
        old = best.get((u, i))
        sooner = old is not None and (t, place) < (content[old][3], old)
        if old is None or (sooner if policy == "first" else not sooner):
            best[u, i] = place
    data, dropped = to_interactions(
        table, pl.Series([], dtype=pl.String), rating_min=None, duplicates=policy
    )
    kept = sorted(best.values())
    assert raw_edges(data) == [(f"u{content[p][0]}", f"i{content[p][1]}") for p in kept]
    assert data.time.tolist() == [content[p][3] for p in kept]
    assert dropped["duplicates"] == len(content) - len(kept)
