"""What a model's scores do not say is left to the next link of the chain."""

import dataclasses

import polars as pl
import pytest
import torch
from models.conftest import CONF
from omegaconf import OmegaConf
from reference import worlds

from micrec_pyg.graph.build import domain_sizes, train_stage
from micrec_pyg.inference.distinct import tells_items_apart, unlike_nobody
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.models.fused import Fused
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.build import build
from micrec_pyg.schema import ITEM, USER, InputError


def users_here(world, domain, *, trained):
    """Return {raw id: row} of users with a history whom training saw, or not."""
    task = world.tasks[domain]
    users = task.data[USER]
    rows = ((users.degree > 0) & ((users.train_row >= 0) == trained)).nonzero()
    ids = world.domains[domain].interactions.users.ids
    return {ids[int(users.n_id[row])]: int(row) for row in rows.flatten()}


def history_of(rec, user):
    return {name: items.to_list() for name, items in rec.history(user).items()}


def scores(world, domain, row):
    with torch.no_grad():
        return world.scores[domain](torch.tensor([row]))[0]


@pytest.mark.parametrize("config", ["bpr_mf unseen=zero"], indirect=True)
def test_a_model_that_scores_all_items_the_same_has_no_answer(world, rec):
    new = users_here(world, "food", trained=False)
    assert new
    together = rec.recommend(users=[*new], domain="food", k=4)
    for user, row in new.items():
        assert not scores(world, "food", row).any()
        alone = rec.recommend(users=[user], domain="food", k=4)
        assert together.filter(user=user).equals(alone)
        guest = rec.recommend(history=history_of(rec, user), domain="food", k=4)
        for frame in (alone, guest):
            assert not {*frame["reason"]} & {"history"}
            assert frame["score"].n_unique() > 1
        had = {*history_of(rec, user)["food"]}
        assert not had & {*alone["item"]}
        assert had & {
            *rec.recommend(users=[user], domain="food", k=99, exclude_seen=False)[
                "item"
            ]
        }


@pytest.mark.parametrize("config", ["bpr_mf unseen=mean"], indirect=True)
def test_what_a_model_gives_anybody_is_called_popularity(world, rec):
    table = world.model.embedding[module_key("food")]
    expected = world.z["food"].item @ table.user.detach().mean(0)
    ids = world.domains["food"].interactions.items.ids
    score = dict(zip(ids, expected.tolist(), strict=True))
    new = users_here(world, "food", trained=False)
    assert new
    wanted = {"domain": "food", "k": len(ids), "exclude_seen": False}
    frames = [rec.recommend(users=[user], **wanted) for user in new]
    frames += [
        rec.recommend(history={"food": history_of(rec, user)["food"]}, **wanted)
        for user in new
    ]
    for frame in frames:
        assert {*frame["reason"]} <= {"popularity"}
        found = frame["score"].to_list()
        assert found == pytest.approx([score[i] for i in frame["item"]], abs=1e-6)
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    "config", ["bpr_mf unseen=zero", "bpr_mf unseen=mean", "item_knn"], indirect=True
)
def test_whom_training_saw_is_answered_by_the_model(world, rec):
    for user, row in users_here(world, "food", trained=True).items():
        frame = rec.recommend(users=[user], domain="food", k=99, exclude_seen=False)
        rank = scores(world, "food", row).sort(descending=True).values
        zero = (world.z["food"].item == 0).all(1) if "food" in world.z else None
        if zero is not None and bool(zero.any()):
            rank = scores(world, "food", row)[~zero].sort(descending=True).values
        assert frame["score"].to_list() == rank.tolist()
        assert {*frame["reason"]} <= {"history", "content"}


@pytest.mark.parametrize("config", ["item_knn"], indirect=True)
def test_a_history_of_a_new_item_alone_is_answered_by_its_content(world, rec):
    vector = torch.randn(1, 6, generator=torch.Generator().manual_seed(1))
    rec.add_items(
        pl.DataFrame({"item": ["new"], "text": vector.tolist()}), domain="food"
    )
    guest = rec.recommend(history={"food": ["new"]}, domain="food", k=4)
    assert {*guest["reason"]} == {"content"}
    rec.add_interactions(
        pl.DataFrame({"user": ["zoe"], "item": ["new"]}), domain="food"
    )
    added = rec.recommend(users=["zoe"], domain="food", k=4)
    assert added.drop("user").equals(guest.drop("user"))
    both = rec.recommend(users=["zoe", "u1"], domain="food", k=4)
    assert both.filter(user="zoe").equals(added)
    rec.add_interactions(
        pl.DataFrame({"user": ["zoe"], "item": ["food-3"]}), domain="food"
    )
    again = rec.recommend(users=["zoe"], domain="food", k=2)
    assert {*again["reason"]} == {"history"}


@pytest.mark.parametrize(
    "config",
    ["neumf unseen=content", "neumf unseen=mean", "bpr_mf unseen=zero", "micrec"],
    indirect=True,
)
def test_an_item_of_which_nothing_is_known_is_in_no_list(world, rec, caplog):
    rec.add_items(pl.DataFrame({"item": ["blank1", "blank2"]}), domain="food")
    assert "knows nothing are left out of its lists: 2" in caplog.text
    every = {"domain": "food", "k": 99, "exclude_seen": False}
    questions = [
        {"users": rec.users("food")},
        {"history": {"food": ["food-3"]}},
        {"history": {"books": ["books-2"]}},
        {"history": {}},
    ]
    for question in questions:
        found = rec.recommend(**question, **every)
        assert found.height
        assert not {"blank1", "blank2"} & {*found["item"]}
        assert not rec.recommend(**question, items=["blank1"], **every).height
    with torch.no_grad():
        before = rec._world.scores["food"](torch.arange(3))
    assert before.shape[1] == 17  # what is evaluated has them


@pytest.mark.parametrize("config", ["bpr_mf unseen=zero"], indirect=True)
def test_a_vector_of_zero_is_no_answer_but_content_is(world, rec, caplog):
    vector = torch.randn(1, 6, generator=torch.Generator().manual_seed(1))
    table = pl.DataFrame({"item": ["new"], "text": vector.tolist()})
    rec.add_items(table, domain="food")
    assert "knows nothing are left out of its lists: 1" in caplog.text
    every = {"domain": "food", "k": 99, "exclude_seen": False}
    trained = [*users_here(world, "food", trained=True)]
    assert "new" not in rec.recommend(users=trained, **every)["item"]
    guest = rec.recommend(history={"food": ["new"]}, **every)
    assert guest.filter(item="new")["reason"].to_list() == ["content"]
    with pytest.raises(InputError, match="knows nothing of the item, so its vector"):
        rec.similar_items("new", domain="food")
    assert rec.similar_items("new", domain="food", by="content").height


@pytest.mark.parametrize("config", ["bpr_mf unseen=zero"], indirect=True)
def test_what_a_term_knows_of_an_item_counts(world_of, config):
    """The net has the vector 0 for a new item; the closed form reads its content."""
    tree = OmegaConf.load(CONF / "ease_xc.yaml")
    term = build(OmegaConf.to_container(tree)["net"])
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options(num_neighbors=0))
    streams = RandomStreams(0)
    sizes = domain_sizes(train)
    model = Fused(sizes=sizes, streams=streams, net=config["net"], term=term)
    model.prepare(train)
    model.beta.fill_(1.0)
    world = world_of(domains, splits, model)
    assert not world.z["food"].item[world.tasks["food"].data[ITEM].train_row < 0].any()
    rec = Recommender(world)
    users = [*users_here(world, "food", trained=True)]
    found = rec.recommend(users=users, domain="food", k=99, exclude_seen=False)
    assert found.height == len(users) * len(rec.items("food"))


@pytest.mark.parametrize("config", ["bpr_mf"], indirect=True)
def test_an_item_that_the_model_lacks_is_compared_by_its_content(world, rec):
    vector = torch.randn(1, 6, generator=torch.Generator().manual_seed(1))
    table = pl.DataFrame({"item": ["new"], "text": vector.tolist()})
    rec.add_items(table, domain="food")
    there = world.domains["food"].features["text"]
    alike = torch.nn.functional.cosine_similarity(vector, there.values)
    ids = world.domains["food"].interactions.items.ids
    seen = {int(n) for n in rec._world.tasks["food"].data[ITEM].n_id}
    expected = {
        ids[n]: float(alike[n]) for n in range(len(ids)) if n in seen and there.mask[n]
    }
    found = rec.similar_items("new", domain="food", k=99, by="content")
    score = dict(found.select("item", "score").iter_rows())
    # an item with an image alone has nothing in common with it
    assert {i: score[i] for i in expected} == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError, match="has no answer for new items, and 'new' is"):
        rec.similar_items("new", domain="food")
    with pytest.raises(InputError, match="item: domain food has no item 'nw'"):
        rec.similar_items("nw", domain="food", by="content")


@pytest.mark.parametrize("config", ["bpr_mf"], indirect=True)
def test_why_an_added_person_has_no_parts_is_said_as_it_is(world, rec):
    pairs = {"user": ["newbie"], "item": ["food-3"]}
    rec.add_interactions(pl.DataFrame(pairs), domain="food")
    with pytest.raises(InputError, match="'newbie' has a history in domain food, but"):
        rec.explain("newbie", "food-4", domain="food")
    with pytest.raises(InputError, match="'newbie' has no history in domain books"):
        rec.explain("newbie", "books-4", domain="books")


@pytest.mark.parametrize("config", ["bpr_mf unseen=zero"], indirect=True)
def test_a_score_that_anybody_gets_is_said_to_be_one(world, rec):
    """The vector 0 of a new person, whose parts would all be 0."""
    guest = rec.explain({"food": ["food-1", "food-3"]}, "food-4", domain="food")
    assert guest["kind"].to_list() == ["what anybody gets"]
    assert guest["contribution"].to_list() == [0.0]
    new = next(iter(users_here(world, "food", trained=False)))
    assert rec.explain(new, "food-4", domain="food").equals(guest)
    old = next(iter(users_here(world, "food", trained=True)))
    parts = rec.explain(old, "food-4", domain="food")
    assert parts["kind"][-1] == "the rest"


@pytest.mark.parametrize("config", ["popularity"], indirect=True)
def test_so_is_one_of_a_model_that_gives_all_the_same(world, rec):
    user = next(iter(users_here(world, "food", trained=True)))
    parts = rec.explain(user, "food-4", domain="food")
    assert parts["kind"].to_list() == ["what anybody gets"]
    assert parts["contribution"][0] > 0


@pytest.mark.parametrize("config", ["bpr_mf"], indirect=True)
def test_a_text_that_a_domain_does_not_read_is_told(world, caplog):
    food = world.domains["food"]
    features = {name: each for name, each in food.features.items() if name != "text"}
    deaf = dataclasses.replace(food, features=features)
    rec = Recommender(
        dataclasses.replace(world, domains={**world.domains, "food": deaf})
    )
    rec.add_items(pl.DataFrame({"item": ["a"], "title": ["tea"]}), domain="food")
    assert "reads no text" not in caplog.text
    rec.add_items(pl.DataFrame({"item": ["b"], "text": ["tea"]}), domain="food")
    assert "domain food reads no text, so people alone see that of" in caplog.text
    assert "it reads the modalities image" in caplog.text


def test_rows_are_looked_at_whole():
    generator = torch.Generator().manual_seed(0)
    table = torch.zeros(6, 200)
    table[1, 150] = 1.0
    table[2] = torch.randn(200, generator=generator)
    table[3] = 7.0
    table[4, 0] = 1.0
    told = [bool((row != row[0]).any()) for row in table]
    assert tells_items_apart(table).tolist() == told
    nobody = table[2].clone()
    table[5] = nobody * (1 + 1e-7)
    assert unlike_nobody(table, nobody).tolist() == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    table[5, 199] += 0.01
    assert unlike_nobody(table, nobody).tolist()[5]
    assert unlike_nobody(table, torch.zeros(200)).tolist() == [
        bool(row.any()) for row in table
    ]


@pytest.mark.parametrize("config", ["bpr_mf unseen=zero"], indirect=True)
def test_content_is_compared_by_direction_whatever_the_lengths(world, rec):
    ids = world.domains["food"].interactions.items.ids
    width = world.domains["food"].features["text"].values.shape[1]
    names = {"one": 1.0, "long": 1e25, "short": 1e-25}
    vectors = [[size] + [0.0] * (width - 1) for size in names.values()]
    rec.add_items(pl.DataFrame({"item": [*names], "text": vectors}), domain="food")
    alike, guests = [], []
    for name in names:
        found = rec.similar_items(name, domain="food", k=99, by="content")
        assert found.filter(pl.col("item").is_in([*names]))["score"].to_list() == [1, 1]
        alike.append(found.filter(pl.col("item").is_in(ids)).drop("rank"))
        found = rec.recommend(history={"food": [name]}, domain="food", items=ids, k=99)
        assert {*found["reason"]} == {"content"}
        guests.append(found)
    assert alike[0]["score"].n_unique() > 1
    assert all(each.equals(alike[0]) for each in alike)
    assert all(each.equals(guests[0]) for each in guests)
