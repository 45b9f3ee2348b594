"""Which column holds what: mapped, exact, guessed and told, or missing."""

import pytest

from micrec_pyg.data.files.columns import check_columns, check_texts, locate, nearest
from micrec_pyg.data.files.problems import STRICT, Problems
from micrec_pyg.schema import InputError

ROLES = ["user", "item", "rating", "timestamp"]


def roles(user, item, time):
    return {"user": user, "item": item, "timestamp": time}


@pytest.mark.parametrize(
    ("found", "columns", "expected"),
    [
        (["user", "item"], None, {"user": "user", "item": "item"}),
        (
            ["uid", "sku"],
            {"user": "uid", "item": "sku"},
            {"user": "uid", "item": "sku"},
        ),
        # the mapping goes before the exact name, the exact name before a guess
        (["user", "uid", "item"], {"user": "uid"}, {"user": "uid", "item": "item"}),
        (["user", "userId", "item"], None, {"user": "user", "item": "item"}),
        # another domain of the data set may have the plain name
        (["user", "item"], {"user": "uid"}, {"user": "user", "item": "item"}),
        (
            ["userId", " Item", "user_id_hash", "unixReviewTime"],
            None,
            {"user": "userId", "item": " Item", "timestamp": "unixReviewTime"},
        ),
        (
            ["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
            None,
            {
                "user": "user_id:token",
                "item": "item_id:token",
                "rating": "rating:float",
                "timestamp": "timestamp:float",
            },
        ),
        (["uid", "thing"], None, {}),
        # as shops call them; the best spelling decides
        *[
            ([user, item, "qty", "price", time], None, roles(user, item, time))
            for user, item, time in (
                ("customer_id", "sku", "created_at"),
                ("Customer", "ASIN", "Ordered At"),
                ("client", "product", "date"),
                ("clientId", "product_id", "order_date"),
                ("member", "article", "datetime"),
            )
        ],
        (
            ["customer", "customer_id", "product", "sku", "product_id", "date", "time"],
            None,
            roles("customer_id", "product_id", "time"),
        ),
    ],
)
def test_mapped_exact_and_guessed_names(found, columns, expected, tmp_path):
    problems = Problems(limit=9)
    assert locate(found, ROLES, columns, tmp_path, problems) == expected
    assert problems.errors == 0
    guesses = {n for r, n in expected.items() if n not in (r, (columns or {}).get(r))}
    assert {problem.column for problem in problems.found} == guesses


def test_a_guess_is_told_when_it_is_used(tmp_path, caplog):
    locate(["userId", "item"], ROLES, None, tmp_path, STRICT)
    assert "column 'userId': taken as the user (a guess" in caplog.text


def test_several_guesses_are_refused_for_ids_and_not_taken_for_others(tmp_path):
    with pytest.raises(InputError, match="asin, parent_asin may all be the item"):
        locate(["user", "asin", "parent_asin"], ROLES, None, tmp_path, STRICT)
    problems = Problems(limit=9)
    found = ["user", "item", "stars", "overall"]
    assert "rating" not in locate(found, ROLES, None, tmp_path, problems)
    assert (problems.errors, problems.warnings) == (0, 1)


def test_a_mapped_name_that_is_nowhere_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"column ratng .columns: rating. is missing"):
        locate(["user", "item"], ROLES, {"rating": "ratng"}, tmp_path, STRICT)


@pytest.mark.parametrize(
    ("wanted", "found", "near"),
    [
        ("item", ["uid", "itm"], "'itm'"),
        ("user", ["Username", "item"], "'Username'"),
        ("user", ["a", "b"], ""),
        ("item", ["title", "itm"], "'itm'"),
        ("item", ["title", "item_name", "Item Description", "item price"], ""),
        ("user", ["user_name_text", "user review", "quantity"], ""),
        ("timestamp", ["time_stamp"], "'time_stamp'"),
        ("user", ["uid", "item", "rating"], "data.columns={user: uid}"),
        ("item", ["user", "IID", "rating"], "data.columns={item: IID}"),
        ("user", ["UserId", "item"], "'UserId'"),
        ("item", ["uid", "rating"], ""),
    ],
)
def test_the_nearest_name(wanted, found, near):
    assert near in nearest(wanted, found)
    assert bool(near) == bool(nearest(wanted, found))


@pytest.mark.parametrize("columns", [{"usr": "a"}, {"user": 3}, "user=uid", []])
def test_impossible_mappings_are_refused(columns):
    with pytest.raises(InputError, match="needed: a"):
        check_columns(columns)


@pytest.mark.parametrize("value", ["food", [2014], 7, {"a": "b"}])
def test_lists_of_texts_are_needed(value):
    check_texts(domains=["food"], links=None, text_fields=[])
    with pytest.raises(InputError, match=r"domains=.* needed: "):
        check_texts(domains=value)


def test_a_hint_for_a_mapped_id_is_no_title():
    assert nearest("titel", ["title"], role="item") == ""
    assert "'title'" in nearest("titel", ["title"])
