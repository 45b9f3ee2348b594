"""Every model of conf/model answers by one contract, and the tiny ones too."""

import dataclasses

import polars as pl
import pytest
import torch
from inference.conftest import heard
from reference import worlds
from torch.testing import assert_close

from micrec_pyg.evaluation.evaluate import task_score
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.inference.askers import known_askers
from micrec_pyg.inference.links import guest_scores, through_graphs
from micrec_pyg.inference.tower import tower_in, why_no_tower
from micrec_pyg.schema import ITEM, USER, Feature, InputError, Vocab

NAMES = ("food", "books", "music")


def scores_by_id(world, domain):
    """Return {(user, item): score} of all in a domain's graph."""
    task, sides = world.tasks[domain], world.domains[domain].interactions
    users = sides.users.ids.gather(task.data[USER].n_id.numpy()).to_list()
    items = sides.items.ids.gather(task.data[ITEM].n_id.numpy()).to_list()
    with torch.no_grad():
        table = world.scores[domain](torch.arange(len(users)))
    return {
        (user, item): float(table[a, b])
        for a, user in enumerate(users)
        for b, item in enumerate(items)
    }


def test_known_users_get_the_lists_of_the_evaluation(world, rec):
    stage = make_test_stage(
        world.train,
        world.domains,
        world.splits,
        world.options,
        answers=world.model.answers,
    )
    with torch.no_grad():
        z = world.model(stage.graphs)
        for name, task in stage.tasks.items():
            score = task_score(world.model.scorer(task.graph, z, stage.graphs), task)
            rows = (task.data[USER].degree > 0).nonzero().flatten()
            expected = rank(
                score,
                users=rows,
                n_id=task.data[USER].n_id[rows],
                known=task.known,
                k=4,
                candidates=heard(world.model, task, z.get(task.graph)),
                batch_size=3,
            )
            sides = world.domains[name].interactions
            ids = sides.users.ids.gather(task.data[USER].n_id[rows].numpy())
            found = rec.recommend(users=ids, domain=name, k=4)
            there = expected.item >= 0
            items = task.data[ITEM].n_id[expected.item[there]]
            assert found["item"].equals(sides.items.ids.gather(items.numpy()))
            assert found["score"].to_list() == expected.score[there].tolist()


def test_an_answer_does_not_depend_on_who_else_asks(world):
    if USER not in world.model.answers:
        pytest.skip("the model has no answer for new people")
    world = dataclasses.replace(world, compared={})
    people = world.train.person["food"]
    with torch.no_grad():
        together = guest_scores(world, "food", known_askers(world, people))
        for place in range(len(people)):
            askers = known_askers(world, people[place : place + 1])
            alone = guest_scores(world, "food", askers)
            assert_close(alone[0], together[place], atol=1e-5, rtol=1e-5)


def test_guests_without_neighbours_score_as_the_user_with_that_history(world):
    if USER not in world.model.answers or world.options.num_neighbors:
        pytest.skip("a user is no neighbour of its own, but one of its twin")
    assert_guests_score_as_users(world)


@pytest.mark.parametrize("config", ["lightgcn unseen=mean"], indirect=True)
def test_a_person_starts_where_a_new_user_does(world):
    assert tower_in(world, "food") is None
    assert why_no_tower(world).startswith("a tower starts a new person at 0; train wi")
    assert_guests_score_as_users(world)


def assert_guests_score_as_users(world):
    """Check people with the histories of new users."""
    users = world.tasks["food"].data[USER]
    trained = torch.cat(
        [d[USER].person[d[USER].train_row >= 0] for d in world.graphs.values()]
    )
    # whom training knows, in any domain, may have a vector of their own
    new = ~torch.isin(users.person, trained)
    rows = (new & (users.degree > 0)).nonzero().flatten()
    assert len(rows)
    askers = known_askers(world, world.tasks["food"].data[USER].person[rows])
    with torch.no_grad():
        found = guest_scores(world, "food", askers)
        assert_close(found, world.scores["food"](rows), atol=1e-5, rtol=1e-5)


def test_the_tower_gives_what_a_pass_over_the_graph_gives(world):
    """Where there is one; the same people, so that nobody is beside themselves."""
    if tower_in(world, "food") is None:
        assert why_no_tower(world)
        return
    askers = known_askers(world, world.train.person["food"])
    with torch.no_grad():
        found = guest_scores(world, "food", askers)
        assert_close(found, through_graphs(world, "food", askers), atol=1e-5, rtol=1e-5)


def test_everybody_gets_as_many_items_as_asked(rec):
    for history in ({}, {"food": ["food-3"]}, {"books": ["books-2"]}):
        found = rec.recommend(history=history, domain="food", k=6)
        assert found["rank"].to_list() == [1, 2, 3, 4, 5, 6]
        assert found["item"].n_unique() == 6
        assert found["user"].null_count() == 6
        if "food" in history:
            assert "food-3" not in found["item"]
        if not history:
            assert {*found["reason"]} == {"popularity"}


def test_additions_give_the_scores_of_a_graph_from_scratch(world, rec, world_of):
    """The one from scratch has its nodes in another order, and its split too."""
    vectors = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    rec.add_items(
        pl.DataFrame({"item": ["new1", "new2"], "text": vectors.tolist()}),
        domain="food",
    )
    pairs = [("zoe", "new1"), ("zoe", "food-4"), ("u3", "new1"), ("u100", "food-5")]
    more = pl.DataFrame(pairs, schema=["user", "item"], orient="row")
    rec.add_interactions(more, domain="food")
    rec.add_interactions(more, domain="food")  # again: nothing changes

    domains, splits = dict(world.domains), dict(world.splits)
    domains["food"], splits["food"] = from_scratch(
        domains["food"],
        splits["food"],
        ["new1", "new2"],
        ["zoe", "u100"],
        pairs,
        vectors,
    )
    scratch = world_of(domains, splits, model=world.model)
    for name in NAMES:
        expected = scores_by_id(scratch, name)
        found = scores_by_id(rec._world, name)
        assert found.keys() == expected.keys()
        for pair, value in expected.items():
            assert found[pair] == pytest.approx(value, abs=1e-5), (name, pair)


def from_scratch(domain, split, items, users, pairs, vectors):
    """Return a domain with more nodes; those that training lacks are in turned order.

    The order of the nodes of training stays: models have rows for them.
    """
    sides = domain.interactions
    old = {USER: sides.users.ids.to_list(), ITEM: sides.items.ids.to_list()}
    ids = {USER: users[::-1] + old[USER], ITEM: items[::-1] + old[ITEM]}
    shift = {USER: len(users), ITEM: len(items)}
    text, image = domain.features["text"], domain.features["image"]
    moved = {
        part: getattr(split, part) + torch.tensor([[shift[USER]], [shift[ITEM]]])
        for part in ("train", "support", "val")
    }
    new = torch.tensor(
        [[ids[USER].index(u) for u, _ in pairs], [ids[ITEM].index(i) for _, i in pairs]]
    )
    none = torch.zeros(len(items), dtype=torch.bool)
    unseen = {
        "unseen_users": [*range(len(users))]
        + [u + len(users) for u in (~split.seen_user).nonzero().flatten().tolist()],
        "unseen_items": [*range(len(items))]
        + [i + len(items) for i in (~split.seen_item).nonzero().flatten().tolist()],
    }
    return (
        dataclasses.replace(
            domain,
            interactions=dataclasses.replace(
                sides,
                users=Vocab(pl.Series(ids[USER])),
                items=Vocab(pl.Series(ids[ITEM])),
            ),
            features={
                "text": Feature(
                    torch.cat([vectors.flip(0), text.values]),
                    torch.cat([~none, text.mask]),
                ),
                "image": Feature(
                    torch.cat([torch.zeros(len(items), 4), image.values]),
                    torch.cat([none, image.mask]),
                ),
            },
        ),
        worlds.split(
            moved["train"],
            len(ids[USER]),
            len(ids[ITEM]),
            support=torch.cat([moved["support"], new], dim=1),
            val=moved["val"],
            **unseen,
        ),
    )


def test_what_is_removed_leaves_no_trace(world, rec):
    before = rec.recommend(history={"food": ["food-1"]}, domain="food", k=5)
    table = {"item": ["new1"], "text": [[1.0, 0.0, 2.0, 0.0, 0.0, 1.0]]}
    rec.add_items(pl.DataFrame(table), domain="food")
    more = pl.DataFrame({"user": ["zoe", "u3"], "item": ["new1", "new1"]})
    rec.add_interactions(more, domain="food")
    rec.remove(users=["zoe"])
    rec.remove(items=["new1"], domain="food")
    after = rec.recommend(history={"food": ["food-1"]}, domain="food", k=5)
    assert after["item"].equals(before["item"])
    assert after["score"].to_list() == pytest.approx(
        before["score"].to_list(), abs=1e-5
    )
    assert "zoe" not in rec.users("food")
    assert "new1" not in rec.items("food")
    kept = rec._world.domains["food"].interactions
    assert not {"zoe", "new1"} & {*kept.users.ids, *kept.items.ids}
    with pytest.raises(InputError, match="has no user 'zoe'"):
        rec.recommend(users=["zoe"], domain="food")
    assert "new1" not in rec.recommend(users=["u3"], domain="food")["item"]


def test_a_history_of_what_the_model_lacks_is_answered_and_said(world, rec, caplog):
    """New items are in no graph of a model that has no answer for them."""
    vector = [[1.0, 0.0, 2.0, 0.0, 0.0, 1.0]]
    rec.add_items(pl.DataFrame({"item": ["new1"], "text": vector}), domain="food")
    one = {"domain": "food", "k": 6}
    known = rec.recommend(history={"food": ["food-3", "food-1"]}, **one)
    caplog.clear()
    found = rec.recommend(history={"food": ["food-3", "new1", "food-1"]}, **one)
    assert found.height == 6
    if ITEM in world.model.answers:
        assert "no answer for new items" not in caplog.text
        assert "new1" not in found["item"]
        return
    assert "no answer for new items: 1 of the histories in food" in caplog.text
    assert found.equals(known)
    alone = rec.recommend(history={"food": ["new1"]}, **one)
    assert {*alone["reason"]} == {"popularity"}


def test_a_history_is_explained_or_refused(world, rec):
    history = {"food": ["food-1", "food-3"]}
    if USER not in world.model.answers:
        with pytest.raises(InputError, match="has no answer for people it never saw"):
            rec.explain(history, "food-4", domain="food")
        return
    parts = explained(rec, history, "food-4")
    if parts is None:
        return
    lists = rec.recommend(history=history, domain="food", k=50)
    score = lists.filter(item="food-4")["score"][0]
    assert parts["contribution"].sum() == pytest.approx(score, abs=1e-4)


def explained(rec, user, item):
    """Return the parts of a score; None where the model says that it has none."""
    try:
        return rec.explain(user, item, domain="food")
    except InputError as error:
        if "is not linear" in str(error):
            return None
        raise


def test_explanations_add_up_to_the_score_or_are_refused(world, rec):
    top = rec.recommend(users=["u2", "u4"], domain="food", k=2)
    assert {*top["reason"]} <= {"history", "content", "popularity"}
    for user, item, score in top.select("user", "item", "score").iter_rows():
        parts = explained(rec, user, item)
        if parts is None:
            continue
        assert parts["contribution"].sum() == pytest.approx(score, abs=1e-4)
        last = parts["kind"][-1]
        assert last == "the rest" or [*parts["kind"]] == ["what anybody gets"]
        row = world.domains["food"].interactions.users.ids.to_list().index(user)
        pairs = world.splits["food"].known_at_test
        ids = world.domains["food"].interactions.items.ids
        own = ids.gather(pairs[1][pairs[0] == row].numpy())
        assert {*parts.filter(kind="history item")["item"]} <= {*own}
