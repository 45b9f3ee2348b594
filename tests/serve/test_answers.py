"""The service answers what the recommender answers."""

import pytest

from micrec_pyg.inference.recommender import load


@pytest.fixture(scope="module")
def rec():
    from serve.conftest import GOLDEN

    return load(GOLDEN)


def rows_of(frame):
    return frame.drop("user", strict=False).to_dicts()


@pytest.mark.parametrize(
    "question",
    [
        {"users": ["u1"], "domain": "food", "k": 4},
        {"users": ["u1"], "domain": "food", "k": 3, "exclude_seen": False},
        {"users": ["u7"], "domain": "kitchen", "items": ["kitchen1", "kitchen2"]},
        {"history": {"food": ["food1", "food2"]}, "domain": "food", "k": 4},
        {"history": {"food": ["food1", "food2"]}, "domain": "kitchen", "k": 4},
        {"history": {}, "domain": "food", "k": 4},
    ],
)
def test_lists_are_those_of_the_recommender(client, rec, question):
    found = client.post("/v1/recommend", json=question).json()
    assert found["domain"] == question["domain"]
    (only,) = found["lists"]
    expected = rec.recommend(**question)
    assert only["rows"] == rows_of(expected)
    assert only["rows"]
    assert only["user"] == question.get("users", [None])[0]


def test_everybody_has_a_list_in_the_order_of_the_question(client, rec):
    users = ["u7", "u1", "u20", "u7"]
    question = {"users": users, "domain": "food", "k": 2}
    lists = client.post("/v1/recommend", json=question).json()["lists"]
    assert [each["user"] for each in lists] == ["u7", "u1", "u20"]
    for each in lists:
        own = rows_of(rec.recommend(users=[each["user"]], domain="food", k=2))
        assert [row["item"] for row in each["rows"]] == [row["item"] for row in own]
        # the last bit depends on how many are asked for at once
        scores = [row["score"] for row in own]
        assert [row["score"] for row in each["rows"]] == pytest.approx(scores)


@pytest.mark.parametrize("by", ["model", "content"])
def test_similar_items(client, rec, by):
    question = {"item": "food3", "domain": "food", "k": 3, "by": by}
    found = client.post("/v1/similar", json=question).json()
    expected = rec.similar_items("food3", domain="food", k=3, by=by)
    assert found["rows"] == rows_of(expected)


def test_parts_add_up_to_the_score_of_the_list(client, rec):
    question = {"users": ["u1"], "domain": "food", "k": 1}
    (row,) = client.post("/v1/recommend", json=question).json()["lists"][0]["rows"]
    asked = {"user": "u1", "item": row["item"], "domain": "food"}
    found = client.post("/v1/explain", json=asked).json()
    assert found["score"] == pytest.approx(row["score"], abs=1e-5)
    total = sum(part["contribution"] for part in found["parts"])
    assert total == pytest.approx(found["score"])
    assert len(found["parts"]) > 2


def test_search_finds_titles_and_ids(client, rec):
    found = client.get("/v1/items", params={"domain": "food", "q": "TEA 1"}).json()
    titles = [item["title"] for item in found["items"]]
    assert sorted(titles) == sorted(
        title for title in rec.titles("food")["title"].drop_nulls() if "tea 1" in title
    )
    assert found["total"] == len(titles) > 3
    users = client.get("/v1/users", params={"domain": "food", "q": "u1"}).json()
    assert users["users"][0] == "u1"
    assert users["total"] == sum("u1" in user for user in rec.users("food"))
    limited = client.get("/v1/users", params={"domain": "food", "limit": 2}).json()
    assert len(limited["users"]) == 2
    assert limited["total"] == len(rec.users("food"))


def test_what_is_known_of_a_user(client, rec):
    found = client.get("/v1/history", params={"user": "u7"}).json()["history"]
    for domain, items in rec.history("u7").items():
        assert {item["item"] for item in found[domain]} == {*items}
    seen = {item["item"] for item in found["food"]}
    question = {"users": ["u7"], "domain": "food", "k": 50}
    lists = client.post("/v1/recommend", json=question).json()["lists"]
    assert seen
    assert not seen & {row["item"] for row in lists[0]["rows"]}


def test_models_say_what_is_loaded(client, rec):
    found = client.get("/v1/models").json()
    (model,) = found["models"]
    assert model["name"] == "golden"
    assert model["model"] == "micrec"
    food = model["domains"][0]
    assert food["users"] == len(rec.users("food"))
    assert food["modalities"] == {"text": 6}
    assert found["limits"]["k"] == 1000
