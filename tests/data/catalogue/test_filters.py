"""Filters against plain loops; every step is counted."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import filters as naive

from micrec_pyg.data.catalogue.filter_options import read_filters
from micrec_pyg.data.catalogue.filters import RawDomain, apply_filters
from micrec_pyg.schema import FilterStep, InputError

SCHEMA = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64}


def domain(rows, texts=None, clock="timestamp"):
    frame = pl.DataFrame(rows, schema=SCHEMA)
    items = frame["item"].unique(maintain_order=True).to_list()
    texts = texts or dict.fromkeys(items)
    table = pl.DataFrame(
        {"item": list(texts), "text": list(texts.values())},
        schema={"item": pl.String, "text": pl.String},
    )
    return RawDomain(rows=frame, items=table, clock=clock)


def row(user, item, rating=5.0, time=0):
    return {"user": user, "item": item, "rating": rating, "time": time}


def filters(rating_min=None, duplicates="last", **options):
    return read_filters(options, rating_min=rating_min, duplicates=duplicates)


def left(result):
    return {name: each.rows.to_dicts() for name, each in result.items()}


small = st.integers(0, 3)
tables = st.lists(
    st.builds(
        lambda u, i, r, t: row(f"u{u}", f"i{i}", float(r), t),
        small,
        small,
        small,
        small,
    ),
    min_size=1,
    max_size=14,
)


def assert_counted(before, after, rows, *, keeps_items):
    """Check the items, the last step and the losses of a filtered domain."""
    kept = {row["item"] for row in rows}
    every = before.items["item"].to_list()
    items = [item for item in every if keeps_items or item in kept]
    assert after.items["item"].to_list() == items
    users = len({row["user"] for row in rows})
    last = after.steps[-1]
    sizes = (last.interactions, last.users, last.items)
    assert sizes == (len(rows), users, len(items))
    reasons = ("outside_time_window", "duplicates", "rating_below_min", "below_core")
    gone = sum(after.dropped.get(reason, 0) for reason in reasons)
    assert gone == before.rows.height - len(rows)
    lost = before.rows["user"].n_unique() - users
    assert after.dropped["users_without_interactions"] == lost


@settings(deadline=None, max_examples=60)
@given(tables, tables, st.data())
def test_all_steps_match_plain_loops(first, second, data):
    start, end = (
        data.draw(st.none() | st.integers(0, 1)),
        data.draw(st.none() | st.integers(2, 4)),
    )
    policy = data.draw(st.sampled_from(["first", "last"]))
    least = data.draw(st.none() | small)
    user_core, item_core = data.draw(small), data.draw(small)
    union = data.draw(st.booleans())
    expected = {}
    for name, rows in (("a", first), ("b", second)):
        rows = naive.duplicates(naive.window(rows, start, end), policy)
        expected[name] = [r for r in rows if least is None or r["rating"] >= least]
    expected = naive.core(expected, user_core, item_core, union=union)
    chosen = filters(
        least,
        policy,
        time_from=start,
        time_to=end,
        user_core=user_core,
        item_core=item_core,
        core_of="union" if union else "domain",
    )
    inputs = {"a": domain(first), "b": domain(second)}
    if not all(expected.values()):
        with pytest.raises(InputError, match="no interaction is left"):
            apply_filters(inputs, chosen)
        return
    result = apply_filters(inputs, chosen)
    assert left(result) == expected
    for name, rows in expected.items():
        assert_counted(inputs[name], result[name], rows, keeps_items=not item_core)


def test_steps_are_named_and_counted_in_their_order():
    rows = [
        row("a", "x", 5, 10),
        row("a", "x", 2, 20),
        row("b", "x", 5, 20),
        row("b", "y", 5, 20),
        row("c", "z", 5, 99),
    ]
    texts = {"x": "long enough", "y": "no", "z": None, "w": "never touched"}
    chosen = filters(3, "last", time_to=50, min_text=4, user_core=1, item_core=1)
    result = apply_filters({"d": domain(rows, texts)}, chosen)["d"]
    assert result.steps == (
        FilterStep("as read", 5, 3, 4),
        FilterStep("time before 50", 4, 2, 4),
        FilterStep("duplicates: last", 3, 2, 4),
        FilterStep("rating >= 3", 2, 1, 4),
        FilterStep("text of 4 characters or more", 1, 1, 2),
        FilterStep("core of 1 per user and 1 per item, over each domain", 1, 1, 1),
    )
    assert result.rows.to_dicts() == [row("b", "x", 5, 20)]
    assert result.dropped == {
        "outside_time_window": 1,
        "duplicates": 1,
        "rating_below_min": 1,
        "interactions_of_short_text": 1,
        "items_with_short_text": 2,
        "below_core": 0,
        "items_below_core": 1,
        "users_without_interactions": 2,
    }


def test_the_core_of_the_union_counts_a_user_everywhere():
    one = [row("a", "x"), row("b", "x"), row("b", "y")]
    two = [row("a", "x"), row("c", "x")]
    inputs = {"one": domain(one), "two": domain(two)}
    own = filters(user_core=2)
    with pytest.raises(InputError, match=r"'two'.*no interaction is left of 2"):
        apply_filters(inputs, own)
    union = filters(user_core=2, core_of="union")
    assert left(apply_filters(inputs, union)) == {"one": one, "two": [row("a", "x")]}


def test_every_domain_that_is_left_empty_is_told():
    inputs = {name: domain([row("a", "x")]) for name in ("one", "two")}
    with pytest.raises(InputError, match=r"'one'.*left of 1 .*; domain 'two'.*left"):
        apply_filters(inputs, filters(user_core=2))


def test_a_duplicate_outside_the_window_does_not_count():
    rows = [row("a", "x", time=1), row("a", "x", time=9)]
    chosen = filters(duplicates="error", time_to=5)
    assert left(apply_filters({"d": domain(rows)}, chosen))["d"] == rows[:1]
    with pytest.raises(InputError, match="user 'a' and item 'x'"):
        apply_filters({"d": domain(rows)}, filters(duplicates="error"))


def test_a_window_of_dates_is_in_utc():
    rows = [row("a", "x", time=1451606399), row("a", "y", time=1451606400)]
    chosen = filters(time_from="2016-01-01")
    assert left(apply_filters({"d": domain(rows)}, chosen))["d"] == rows[1:]
    assert chosen.window == "from 2016-01-01"
    zone = filters(time_from="2016-01-01T01:00:00+01:00")
    assert zone.bounds == (1451606400, None)
    assert chosen.key() == filters(time_from=1451606400).key()


def test_a_mere_order_has_no_window():
    inputs = {"d": domain([row("a", "x")], clock="order")}
    with pytest.raises(InputError, match="need a column timestamp"):
        apply_filters(inputs, filters(time_to="2016-01-01"))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"user_cor": 5}, "user_cor is unknown.*did you mean user_core"),
        ({"user_core": -1}, "a whole number, 0 or more"),
        ({"user_core": 2.5}, "a whole number, 0 or more"),
        ({"min_text": True}, "a whole number, 0 or more"),
        ({"core_of": "all"}, "valid: domain, union"),
        ({"time_from": "May"}, "a date as 2016-05-31"),
        ({"time_from": "2017-01-01", "time_to": "2016-01-01"}, "is not before"),
        ({"rating_min": "four"}, "rating_min='four'; needed: a number"),
        ({"rating_min": float("nan")}, "needed: a number"),
        ({"duplicates": "newest"}, "'newest' is unknown; valid: first, last, err"),
    ],
)
def test_impossible_options_are_refused(options, fault):
    with pytest.raises(InputError, match=fault):
        filters(**options)


@pytest.mark.parametrize("options", ["user_core=5", [5], 5])
def test_filters_are_a_mapping(options):
    with pytest.raises(InputError, match=r"needed: {time_from, time_to, min_text"):
        read_filters(options, rating_min=None, duplicates="last")


@settings(max_examples=40, deadline=None)
@given(one=tables, other=tables, third=tables)
def test_shared_users_have_rows_in_every_domain(one, other, third):
    given_rows = {"a": one, "b": other, "c": third}
    before = {name: domain(rows) for name, rows in given_rows.items()}
    shared = set.intersection(
        *({r["user"] for r in rows} for rows in given_rows.values())
    )
    if not shared:
        with pytest.raises(InputError, match="no interaction is left"):
            apply_filters(before, filters(users="shared"))
        return
    after = apply_filters(before, filters(users="shared"))
    plain = left(apply_filters(before, filters()))
    assert left(after) == {
        name: [row for row in rows if row["user"] in shared]
        for name, rows in plain.items()
    }
    for name, rows in plain.items():
        gone = len(rows) - len(left(after)[name])
        assert after[name].dropped["of_users_not_in_every_domain"] == gone
        assert after[name].items.equals(before[name].items)


def test_all_users_change_no_digest():
    assert "users" not in filters().key()
    assert filters(users="shared").key()["users"] == "shared"
    assert filters(users="shared").joins_domains
    with pytest.raises(InputError, match="valid: all, shared"):
        filters(users="common")
