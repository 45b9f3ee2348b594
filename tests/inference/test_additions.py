"""Random sequences of additions and removals, against a world made from scratch."""

import dataclasses

import polars as pl
import pytest
import torch
from inference.conftest import declared
from models.conftest import NAMES
from reference import tiny

from micrec_pyg.graph.check import check_graph
from micrec_pyg.graph.similar import changes
from micrec_pyg.inference.content import features_of
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.inference.world import with_graphs
from micrec_pyg.schema import SIMILAR_ITEM, SIMILAR_USER, USER

READERS = [
    name
    for name in [*NAMES, *tiny.MODELS]
    if declared(name)[1] and USER in declared(name)[0]
]
"""Models that read other domains, and answer people whom training did not see."""
MODELS = ["ease_xc", "freedom", "inmo", "lightgcn_neighbors", "micrec", "micrec_plus"]
STEPS = 6


class Hand:
    """Does something to a recommender, drawn at random."""

    def __init__(self, rec, seed):
        self.rec, self.generator = rec, torch.Generator().manual_seed(seed)
        self.made = 0

    def drawn(self, values, count):
        place = torch.randint(len(values), (count,), generator=self.generator)
        return [values[p] for p in place.tolist()]

    def act(self):
        kind = self.drawn(["items", "pairs", "pairs", "user", "item"], 1)[0]
        domain = self.drawn(self.rec.domains, 1)[0]
        getattr(self, kind)(domain)

    def items(self, domain):
        self.made += 2
        vectors = torch.randn(2, 6, generator=self.generator).tolist()
        vectors[1] = self.drawn([None, vectors[1]], 1)[0]
        names = [f"new{self.made}", f"new{self.made + 1}"]
        table = {"item": names, "text": vectors}
        schema = {"item": pl.String, "text": pl.List(pl.Float32)}
        self.rec.add_items(pl.DataFrame(table, schema=schema), domain=domain)

    def pairs(self, domain):
        users = [*self.rec.users(domain), f"somebody{self.made}"]
        table = {
            "user": self.drawn(users, 4),
            "item": self.drawn(self.rec.items(domain), 4),
        }
        self.rec.add_interactions(pl.DataFrame(table), domain=domain)

    def user(self, domain):
        where = self.drawn([None, domain], 1)[0]
        self.rec.remove(users=self.drawn(self.rec.users(domain), 1), domain=where)

    def item(self, domain):
        items = self.drawn(self.rec.items(domain), 1)
        self.rec.remove(items=items, domain=domain)


def scratch(world):
    """Return the same world with every graph and list made anew."""
    empty = dataclasses.replace(world, graphs={}, tasks={}, z={}, compared={})
    return with_graphs(empty, list(world.domains))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.fuzz) for seed in range(1, 9))]
)
@pytest.mark.parametrize("config", MODELS, indirect=True)
def test_any_sequence_gives_what_a_rebuild_gives(world, seed, monkeypatch):
    monkeypatch.setattr(changes, "SHARE", 1)  # tiny graphs too follow their changes
    rec = Recommender(world)
    rec.recommend(history={"food": ["food-1"]}, domain="food")  # makes a tower
    hand = Hand(rec, seed)
    for _ in range(STEPS):
        hand.act()
    found, expected = rec._world, scratch(rec._world)
    for name, task in expected.tasks.items():
        rows = torch.arange(task.data["user"].num_nodes)
        with torch.no_grad():
            ours, theirs = found.scores[name](rows), expected.scores[name](rows)
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=0), name
        history = {name: rec.items(name).tail(3)}
        ours, theirs = (
            each.recommend(history=history, domain=name, k=100)
            for each in (rec, Recommender(expected))
        )
        assert ours["item"].sort().equals(theirs["item"].sort())
        assert ours["score"].to_list() == pytest.approx(
            theirs["score"].to_list(), abs=1e-5
        )
        for kind in (SIMILAR_USER, SIMILAR_ITEM):
            assert torch.equal(
                found.graphs[name][kind].adj_t.to_dense(),
                expected.graphs[name][kind].adj_t.to_dense(),
            )


@pytest.mark.parametrize("config", READERS, indirect=True)
def test_who_leaves_a_domain_and_comes_back_is_read_in_the_others(world):
    """The person has one row there that is alive, and it is that with the history."""
    rec = Recommender(world)
    user = next(
        each
        for each in rec.users("food")
        if each in rec.users("books")
        and min(len(rec.history(each)[name]) for name in ("food", "books")) > 1
    )
    had = pl.DataFrame({"item": rec.history(user)["food"]}).with_columns(
        user=pl.lit(user)
    )

    def scores():
        lists = rec.recommend(users=[user], domain="books", k=99)
        return torch.tensor(lists.sort("item")["score"].to_list())

    full = scores()
    rec.remove(users=[user], domain="food")
    gone = scores()
    rec.add_interactions(had, domain="food")
    for graph in rec._world.graphs.values():
        check_graph(graph)
    if not torch.allclose(full, gone, atol=1e-3):
        assert not torch.allclose(gone, scores(), atol=1e-3)


@pytest.mark.parametrize("config", ["micrec"], indirect=True)
def test_what_it_does_not_touch_is_not_searched(world, monkeypatch):
    rec = Recommender(world)
    asked = []
    search = changes.few_neighbors
    monkeypatch.setattr(
        changes,
        "few_neighbors",
        lambda some, *a, **b: asked.append(len(some)) or search(some, *a, **b),
    )
    monkeypatch.setattr(changes, "neighbor_lists", None)  # that of all nodes
    monkeypatch.setattr(changes, "SHARE", 1)
    table = {"item": ["new"], "text": [[1.0, 0.0, 2.0, 0.0, 0.0, 1.0]]}
    rec.add_items(pl.DataFrame(table), domain="food")
    assert asked == [0, 1]  # no user, one item
    asked.clear()
    rec.add_interactions(
        pl.DataFrame({"user": ["zoe"], "item": ["new"]}), domain="food"
    )
    users, items = asked
    assert 1 <= users < world.graphs["food"]["user"].num_nodes
    assert items == 0


class Reader:
    """An encoder whose vectors say what it was given."""

    name, reads, settings = "reader", "file", {}

    def encode(self, items):
        vectors = torch.tensor([[len(item), 1.0, 0.0, 2.0] for item in items])
        return torch.where(vectors[:, :1] > 20, torch.nan, vectors)


@pytest.mark.parametrize("config", ["micrec"], indirect=True)
def test_texts_and_images_are_encoded_as_the_run_encoded_its_own(world):
    """A missing image is one that is not given, or that the encoder cannot read."""
    node = {"_target_": "micrec_pyg.features.ResNet"}
    rec = Recommender(
        dataclasses.replace(
            world, features={"image": node}, encoders={"image": Reader()}
        )
    )
    images = ["a.jpg", None, "of a name that is too long.jpg", " "]
    names = ["n1", "n2", "n3", "n4"]
    rec.add_items(pl.DataFrame({"item": names, "image": images}), domain="food")
    image = rec._world.domains["food"].features["image"]
    assert image.mask[-4:].tolist() == [True, False, False, False]
    assert image.values[-4].tolist() == [5.0, 1.0, 0.0, 2.0]
    assert not image.values[-3:].any()
    assert not rec._world.domains["food"].features["text"].mask[-4:].any()
    found = rec.recommend(history={"food": ["n1"]}, domain="food", k=5)
    assert {*found["reason"]} <= {"history", "content"}


@pytest.mark.parametrize("config", ["micrec"], indirect=True)
def test_a_title_alone_is_the_text_as_in_a_table_of_items(world):
    width = world.domains["food"].features["text"].values.shape[1]

    class Lengths(Reader):
        reads = "text"

        def encode(self, items):
            return torch.tensor([[float(len(item))] * width for item in items])

    node = {"_target_": "micrec_pyg.features.SentenceTransformer"}
    able = dataclasses.replace(
        world, features={"text": node}, encoders={"text": Lengths()}
    )
    title = pl.DataFrame({"item": ["n1", "n2"], "title": ["green tea", None]})
    found = features_of(able, "food", title)["text"]
    assert found.mask.tolist() == [True, False]
    assert found.values[0].tolist() == [9.0] * width
    rec = Recommender(able)
    alone = rec.encode_items(title, domain="food")["text"]
    assert torch.equal(alone.values, found.values)
    assert "n1" not in rec.items("food")
    # beside vectors, or without an encoder, people alone read it
    both = title.with_columns(text=pl.lit([[1.0] * width] * 2).explode())
    assert features_of(able, "food", both)["text"].values[0].tolist() == [1.0] * width
    unable = dataclasses.replace(world, features={"text": None})
    assert not features_of(unable, "food", title)["text"].mask.any()
