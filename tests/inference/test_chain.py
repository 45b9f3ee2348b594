"""Who is answered by which link, and what the links compute."""

import math
import re

import numpy as np
import polars as pl
import pytest
import torch

from micrec_pyg.inference import likeness
from micrec_pyg.inference.domains import check_domain
from micrec_pyg.inference.lists import check_exclude_seen, check_length
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.schema import InputError

NO_NUMBER = "the vector text of 'b' holds a number that is missing, NaN, or too large"
FAR = {"users": ["u1"], "domain": "food"}


@pytest.fixture(scope="module")
def rec(trained):
    return load(trained("model=micrec"))


def known(rec, domain):
    """Return {user: set of items} of the graph, and the order of items and users."""
    world = rec._world
    sides = world.domains[domain].interactions
    users, items = sides.users.ids.to_list(), sides.items.ids.to_list()
    found = {user: set() for user in users}
    for u, i in world.splits[domain].known_at_test.T.tolist():
        found[users[u]].add(items[i])
    return found


def table(rec, domain):
    """Return {user: {item: score of the model}}."""
    world = rec._world
    sides = world.domains[domain].interactions
    with torch.no_grad():
        scores = world.scores[domain](torch.arange(len(sides.users)))
    items = sides.items.ids.to_list()
    return {
        user: dict(zip(items, row.tolist(), strict=True))
        for user, row in zip(sides.users.ids, scores, strict=True)
    }


def of_places(weights, count):
    """Return weights times the part that each user has of a number of places."""
    last = sorted(weights.values())[-count]
    above = [user for user in weights if weights[user] > last + 1e-9]
    level = [user for user in weights if abs(weights[user] - last) <= 1e-9]
    part = (count - len(above)) / len(level)
    return {
        user: weights[user] * (1 if user in above else part) for user in above + level
    }


def test_a_history_elsewhere_is_answered_by_people_with_a_similar_one(rec):
    history = ["food1", "food2", "food3"]
    mine = {*history}
    weights = {}
    here = known(rec, "kitchen")
    for user, items in known(rec, "food").items():
        if here.get(user):
            common = len(mine & items)
            weights[user] = common / (len(mine) * len(items)) ** 0.5
    weights = of_places(weights, 20)
    scores, total = table(rec, "kitchen"), sum(weights.values())
    expected = {
        item: sum(weights[user] * scores[user][item] for user in weights) / total
        for item in rec.items("kitchen")
    }
    found = rec.recommend(history={"food": history}, domain="kitchen", k=19)
    nobody_has = found["item"] == "kitchen18"
    assert {*found.filter(~nobody_has)["reason"]} == {"other domain"}
    assert {*found.filter(nobody_has)["reason"]} == {"content"}
    for item, score in found.select("item", "score").iter_rows():
        assert score == pytest.approx(expected[item], abs=1e-5)


def test_the_order_of_people_decides_nothing():
    """Short histories are as similar to many others, of whom some have a place."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(0, 4, (6, 300), generator=generator).float()
    weight[0, 15:] = 0  # fewer than there are places
    names = [str(n) for n in range(300)]
    found = likeness.shares(weight)
    for row, each in zip(weight.tolist(), found.tolist(), strict=True):
        parts = of_places(dict(zip(names, row, strict=True)), 20)
        total = sum(parts.values())
        expected = [parts.get(name, 0) / total for name in names]
        assert each == pytest.approx(expected, abs=1e-6)
    order = torch.randperm(300, generator=generator)
    assert torch.allclose(likeness.shares(weight[:, order]), found[:, order])


def test_a_history_that_nobody_shares_is_answered_by_content(rec):
    """food18 is in the catalogue and nobody has it."""
    found = rec.recommend(history={"food": ["food18"]}, domain="kitchen", k=3)
    assert {*found["reason"]} == {"content"}
    one = rec._world.domains["food"].features["text"].values
    place = rec._world.domains["food"].interactions.items.ids.to_list().index("food18")
    other = rec._world.domains["kitchen"].features["text"].values
    cosine = torch.nn.functional.cosine_similarity(one[place : place + 1], other)
    best = cosine.topk(3)
    assert found["score"].to_list() == pytest.approx(best.values.tolist(), abs=1e-6)


def test_no_history_is_answered_by_popularity(rec):
    found = rec.recommend(history={}, domain="food", k=5)
    counts = {}
    for items in known(rec, "food").values():
        for item in items:
            counts[item] = counts.get(item, 0) + 1
    assert found["score"].to_list() == sorted(counts.values(), reverse=True)[:5]
    assert all(counts[i] == s for i, s in found.select("item", "score").iter_rows())


def test_an_item_nobody_has_is_recommended_by_its_content(rec):
    found = rec.recommend(users=["u1"], domain="food", k=1, items=["food18"])
    assert found.select("item", "reason").rows() == [("food18", "content")]


def test_a_known_user_of_another_domain_is_answered(rec):
    (user,) = (
        rec.users("kitchen")
        .filter(~rec.users("kitchen").is_in(rec.users("food").implode()))
        .head(1)
    )
    found = rec.recommend(users=[user, "u1"], domain="food", k=2)
    assert found["user"].to_list() == [user, user, "u1", "u1"]
    assert found["reason"].to_list()[:2] == ["other domain"] * 2


def test_many_histories_are_answered_as_one_by_one(rec):
    rows = [("a", "food", "food1"), ("b", "kitchen", "kitchen2"), ("c", "food", None)]
    rows += [("a", "food", "food4"), ("a", "kitchen", "kitchen1")]
    frame = pl.DataFrame(rows, schema=["user", "domain", "item"], orient="row")
    found = rec.recommend(history=frame, domain="food", k=4)
    alone = [
        {"food": ["food1", "food4"], "kitchen": ["kitchen1"]},
        {"kitchen": ["kitchen2"]},
        {},
    ]
    for user, history in zip("abc", alone, strict=True):
        expected = rec.recommend(history=history, domain="food", k=4)
        mine = found.filter(user=user)
        assert mine["item"].equals(expected["item"])
        assert mine["reason"].equals(expected["reason"])
        score = expected["score"].to_list()
        assert mine["score"].to_list() == pytest.approx(score, abs=1e-5)


def test_what_is_seen_is_left_out_unless_wanted(rec):
    had = known(rec, "food")["u1"]
    assert not had & {*rec.recommend(**FAR, k=30)["item"]}
    assert had <= {*rec.recommend(**FAR, k=30, exclude_seen=False)["item"]}
    history = {"food": ["food1"]}
    wanted = rec.recommend(history=history, domain="food", k=30, exclude_seen=False)
    assert "food1" in wanted["item"]


GUEST = {"user": ["a", "b"], "item": ["food1", None], "domain": "food"}


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"users": ["u1x"], "domain": "food"}, "has no user 'u1x'; the nearest is 'u1"),
        ({"users": ["u1"], "domain": "foo"}, "domain 'foo'; give one of food, kitchen"),
        ({"users": ["u1"]}, "no domain was given; give one of food, kitchen"),
        ({"users": "u1", "domain": "food"}, r"one text; give a list: \['u1'\]"),
        (
            {"users": ["\ud83d"], "domain": "food"},
            "users: give a list of raw ids .*utf",
        ),
        ({**FAR, "items": ["food1", "\ud83d"]}, "items: give a list of raw ids"),
        (
            {"history": {"food": ["\ud83d"]}, "domain": "food"},
            "history of food: give a list of raw ids",
        ),
        ({"domain": "food"}, "give either users or history"),
        ({"users": ["u1"], "domain": "food", "k": 0}, "k=0: give a whole number of 1"),
        ({"users": pl.Series(["u1", None]), "domain": "food"}, "an id is missing"),
        ({**FAR, "items": ["food99"]}, "has no item 'food99'; the nearest is 'food9'"),
        (
            {"history": {"food": ["kitchen1"]}, "domain": "food"},
            "history: domain food has no item 'kitchen1'",
        ),
        ({"history": {"foot": []}, "domain": "food"}, "domain 'foot'; give one of"),
        (
            {"history": pl.DataFrame({"user": ["a"]}), "domain": "food"},
            "column item, domain is missing; needed: user, item and, of food, kitchen",
        ),
        ({"history": [1], "domain": "food"}, "history: a list was given; give a data"),
        *(
            (
                {"history": pl.DataFrame({**GUEST, column: cells}), "domain": "food"},
                sentence,
            )
            for column, cells, sentence in (
                ("user", [1.0, 2.0], "history: column user holds Float64; ids must be"),
                ("user", [True, False], "history: column user holds Boolean"),
                ("user", ["a", None], "history, row 2: user is None, an id is needed"),
                ("user", ["a", "nan"], "history, row 2: user is 'nan', which marks"),
                ("item", [1.0, None], r"item holds Float64; .*\.astype\('Int64'\)"),
            )
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_sentence(rec, question, sentence):
    with pytest.raises(InputError, match=sentence):
        rec.recommend(**question)


@pytest.mark.parametrize("domain", [["food"], {"food": []}, 1, "\ud83d", "food "])
def test_a_domain_is_one_of_the_names(rec, domain):
    need = "give one of food, kitchen"
    with pytest.raises(InputError, match=re.escape(f"domain {domain!r}; {need}")):
        check_domain(rec._world, domain)


@pytest.mark.parametrize(
    ("call", "table", "sentence"),
    [
        ("items", {"item": ["food1"]}, "items, row 1: 'food1' is there already"),
        ("items", {"item": ["a", "a"]}, "items, row 2: 'a' stands there twice"),
        ("items", {"item": ["a", None]}, "items, row 2: item is None, an id is"),
        ("items", {"sku": ["a"]}, "column item is missing; found: sku"),
        ("items", {"item": ["a"], "size": [3]}, "column size cannot be used"),
        (
            "items",
            {"item": ["a"], "text": [[1.0]]},
            "have the width 1; the run",
        ),
        ("items", {"item": ["a"], "text": ["tea"]}, "came with its data; give lists"),
        ("interactions", {"user": ["u1"], "item": ["x9"]}, "row 1: domain food has no"),
        (
            "interactions",
            {"user": [None], "item": ["food1"]},
            "row 1: user is None, an",
        ),
        (
            "interactions",
            {"user": [7.0], "item": ["food1"]},
            "interactions: column user holds Float64; ids must be texts or whole",
        ),
        (
            "interactions",
            {"user": ["a", "nan"], "item": ["food1"] * 2},
            "interactions, row 2: user is 'nan', which marks a missing value",
        ),
        ("items", {"item": ["a\nb"]}, r"items, row 1: item is 'a\\nb', an id of one"),
        ("items", {"item": ["\0a"]}, r"items, row 1: item is '\\x00a', an id of one"),
        *(
            ("items", {"item": ["a", "b"], "text": [[1.0] * 6, bad]}, NO_NUMBER)
            for bad in ([1.0] * 5 + [math.nan], [1e300] * 6, [1.0] * 5 + [None])
        ),
    ],
)
def test_what_cannot_be_added_is_refused_and_changes_nothing(
    rec, call, table, sentence
):
    before = rec._world
    with pytest.raises(InputError, match=sentence):
        getattr(rec, f"add_{call}")(pl.DataFrame(table), domain="food")
    assert rec._world is before


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3", None])
def test_a_length_is_a_whole_number_above_0(k: object):
    with pytest.raises(InputError, match=f"k={k}: give a whole number of 1 or more"):
        check_length(k)


@pytest.mark.parametrize("given", ["no", 0, None])
def test_what_is_no_truth_value_does_not_count_as_one(given: object):
    with pytest.raises(InputError, match=f"exclude_seen={given!r}: give True or False"):
        check_exclude_seen(given)
    assert check_exclude_seen(np.bool_(False)) is False


def test_an_unknown_domain_is_refused_wherever_it_is_given(rec):
    ask = {"users": ["u1"], "domain": "nope"}
    for call in (rec.remove, rec.recommend):
        with pytest.raises(InputError, match="domain 'nope'; give one of food, kitch"):
            call(**ask)


def test_a_list_is_no_longer_than_the_items(rec):
    """A table of this length for one person would not fit into any memory."""
    for question in ({"users": ["u1"]}, {"history": {}}):
        found = rec.recommend(**question, domain="food", k=10**15)
        assert found.equals(rec.recommend(**question, domain="food", k=1000))


def test_rows_without_a_domain_are_of_the_only_one(trained):
    """Where there are several, such a row is refused."""
    table = pl.DataFrame(
        {
            "user": ["ann", "bob", "bob"],
            "item": ["food1", "food2", "food4"],
            "domain": ["food", None, None],
        }
    )
    one = load(trained("model=micrec", "data.only=[food]"))
    lists = one.recommend(history=table, k=3)
    assert lists.equals(one.recommend(history=table.drop("domain"), k=3))
    one.add_interactions(table)
    assert {*one.history("bob")["food"]} == {"food2", "food4"}
    both = load(trained("model=micrec"))
    with pytest.raises(InputError, match="no domain was given; give one of food"):
        both.recommend(history=table, domain="food")
    with pytest.raises(InputError, match="no domain was given; give one of food"):
        both.add_interactions(table)


def test_a_question_sees_one_world_whatever_is_added_meanwhile(rec, monkeypatch):
    before, after = rec._world, load_more(rec)
    reads = []

    def world(self):
        reads.append(None)
        return before if len(reads) == 1 else after

    monkeypatch.setattr(type(rec), "_world", property(world), raising=False)
    for ask in (rec.titles, lambda name: rec.features(["food1"], domain=name)):
        reads.clear()
        ask("food")
        assert len(reads) == 1


def load_more(rec):
    """Return a world with an item more."""
    more = Recommender(rec._world)
    more.add_items(pl.DataFrame({"item": ["more"]}), domain="food")
    return more._world


def test_a_length_may_be_a_number_of_numpy(rec):
    assert check_length(np.int64(3)) == 3
    with pytest.raises(InputError, match="k=-1"):
        rec.similar_items("food1", domain="food", k=-1)


def test_similar_items_are_ranked_by_the_cosine(rec):
    item = "food4"
    place = rec._world.domains["food"].interactions.items.ids.to_list().index(item)
    vectors = {
        "model": rec._world.z["food"].item,
        "content": rec._world.domains["food"].features["text"].values,
    }
    for by, table_ in vectors.items():
        cosine = torch.nn.functional.cosine_similarity(table_[place], table_)
        cosine[place] = -2
        found = rec.similar_items(item, domain="food", k=3, by=by)
        best = cosine.topk(3).values.tolist()
        assert found["score"].to_list() == pytest.approx(best, abs=1e-5)
        assert item not in found["item"]


def test_a_linear_score_is_divided_to_its_last_part(rec):
    top = rec.recommend(users=["u1"], domain="food", k=1)
    parts = rec.explain("u1", top["item"][0], domain="food")
    assert parts["contribution"].sum() == pytest.approx(top["score"][0], abs=1e-5)
    history = known(rec, "food")["u1"]
    assert {*parts.filter(kind="history item")["item"]} == history
    assert parts.filter(kind="similar people").height == 1
    one = {"food": ["food1", "food2"]}
    top = rec.recommend(history=one, domain="food", k=1)
    parts = rec.explain(one, top["item"][0], domain="food")
    assert parts["contribution"].sum() == pytest.approx(top["score"][0], abs=1e-5)
    with pytest.raises(InputError, match="has no history in domain food"):
        rec.explain({"kitchen": ["kitchen1"]}, "food1", domain="food")
