"""What was added under one artefact is told again to another one."""

import json
import shutil
import sqlite3

import polars as pl
import pytest
import torch
from serve.conftest import GOLDEN
from serve.test_journal import VECTOR, add

from micrec_pyg.inference import content
from micrec_pyg.schema import InputError
from micrec_pyg.serve.journal import FILE
from micrec_pyg.storage.seals import seal
from micrec_pyg.storage.tensors import read_tensors, write_tensors

IMAGE = [1.0, 0.0, 2.0]


@pytest.fixture
def artefact(tmp_path):
    return shutil.copytree(GOLDEN, tmp_path / "artefact")


def change_features(folder, change):
    """Let the items of food have other features."""
    path = folder / "features-food.safetensors"
    tensors, meta = read_tensors(path)
    write_tensors(path, change(tensors), meta)
    seal(folder, [*json.loads((folder / "manifest.json").read_text())["sha256"]])


def add_image(tensors):
    count, generator = len(tensors["mask/text"]), torch.Generator().manual_seed(1)
    return {
        **tensors,
        "values/image": torch.randn(count, 3, generator=generator),
        "mask/image": torch.ones(count, dtype=torch.bool),
    }


def drop(tensors, modality):
    return {name: each for name, each in tensors.items() if modality not in name}


def drop_image(tensors):
    return drop(tensors, "image")


def reload(client):
    found = client.post("/v1/reload", json={})
    assert found.status_code == 200, found.text


def features(client, *items):
    return client.app.state.shelf.get(None).rec.features(items, domain="food")


def test_items_from_before_a_new_modality_are_kept(start, artefact):
    client = start(artefact)
    add(client, items=[{"item": "old", "vectors": {"text": VECTOR}}])
    change_features(artefact, add_image)
    reload(client)
    add(client, items=[{"item": "new", "vectors": {"image": IMAGE}}])
    reload(client)
    for asked in (client, start):
        asked = asked if asked is client else start(artefact)
        found = features(asked, "old", "new")
        assert found["text"].mask.tolist() == [True, False]
        assert found["image"].mask.tolist() == [False, True]
        assert found["text"].values[0].tolist() == VECTOR
        assert found["image"].values[1].tolist() == IMAGE


def test_vectors_of_a_modality_that_is_gone_are_left_out_and_counted(
    start, artefact, caplog
):
    change_features(artefact, add_image)
    client = start(artefact)
    both = {"text": VECTOR, "image": IMAGE}
    add(client, items=[{"item": "both", "vectors": both}, {"item": "neither"}])
    add(client, items=[{"item": "image", "vectors": {"image": IMAGE}}])
    add(client, interactions=[{"user": "ann", "item": "image"}])
    change_features(artefact, drop_image)
    reload(client)
    assert "domain food has no modality image now: the vectors of 2 added" in (
        caplog.text
    )
    for asked in (client, start):
        asked = asked if asked is client else start(artefact)
        found = features(asked, "both", "neither", "image")
        assert {*found} == {"text"}
        assert found["text"].mask.tolist() == [True, False, False]
        known = asked.get("/v1/history", params={"user": "ann"}).json()["history"]
        assert [row["item"] for row in known["food"]] == ["image"]
    # they are in the journal still
    change_features(artefact, add_image)
    found = features(start(artefact, carry=True), "both", "neither", "image")
    assert found["image"].mask.tolist() == [True, False, True]


def test_an_item_that_left_is_refused_with_the_journal_and_ways_out(
    start, artefact, tmp_path
):
    client = start(artefact)
    pairs = [("ann", "food3"), ("bob", "food3"), ("bob", "food4")]
    add(client, interactions=[{"user": u, "item": i} for u, i in pairs])
    before = shutil.copytree(artefact, tmp_path / "before")
    path = artefact / "items-food.parquet"
    other = pl.col("id").str.replace("food3", "gone")
    pl.read_parquet(path).with_columns(other).write_parquet(path)
    change_features(artefact, dict)
    found = client.post("/v1/reload", json={})
    assert found.status_code == 422
    said = found.json()["error"]["message"]
    for part in (
        f"{tmp_path}/state/journal.sqlite does not fit {artefact}",
        "domain food has no item 'food3' any more",
        "(rows of it in the table interaction: 2)",
        "POST /v1/remove",
        "another --state",
    ):
        assert part in said
    with pytest.raises(InputError, match=r"journal\.sqlite does not fit"):
        start(artefact, carry=True)
    # one of the ways out
    client = start(before)
    body = {"domain": "food", "items": ["food3"]}
    assert client.post("/v1/remove", json=body).status_code == 200
    client = start(artefact, carry=True)
    assert client.get("/v1/history?user=bob").json()["history"]["food"] == [
        {"item": "food4", "title": "tea 4"}
    ]


class Letters:
    """Encodes a text as the place of each of its first six letters."""

    name, reads, settings = "letters", "text", {}

    def __init__(self):
        self.seen = []

    def encode(self, texts):
        self.seen += texts
        return torch.tensor([[float(ord(c)) for c in f"{t:6.6}"] for t in texts])


@pytest.fixture
def letters(monkeypatch):
    encoder = Letters()
    monkeypatch.setattr(content, "_encoder", lambda *_: encoder)
    return encoder


def has_encoder(folder):
    """Let the run of an artefact have encoded its texts."""
    path = folder / "config.yaml"
    node = "text:\n    _target_: micrec_pyg.features.TextEncoder\n"
    path.write_text(path.read_text().replace("text: null\n", node, 1))
    change_features(folder, dict)


def other_space(tensors):
    return {**tensors, "values/text": tensors["values/text"].roll(1, 1)}


def a_little_off(tensors):
    """As another machine encodes, which has one item with a new text besides."""
    values = tensors["values/text"] * 1.001
    values[0] = -values[0]
    return {**tensors, "values/text": values}


def wider(tensors):
    values = tensors["values/text"]
    return {**tensors, "values/text": torch.cat([values, values], 1)}


@pytest.mark.parametrize("change", [other_space, wider])
def test_given_vectors_of_another_space_are_refused(start, artefact, change):
    client = start(artefact)
    vectors = {"text": VECTOR}
    add(client, items=[{"item": "bare"}, {"item": "given", "vectors": vectors}])
    before = features(client, "given")["text"].values.tolist()
    kept = shutil.copytree(artefact, artefact.with_name("kept"))
    change_features(artefact, change)
    found = client.post("/v1/reload", json={})
    assert found.status_code == 422
    said = found.json()["error"]["message"]
    for part in (
        "journal.sqlite does not fit",
        "domain food: the vector text of the added item 'given' is of another space",
        "can be added again with a vector of this artefact",
    ):
        assert part in said
    assert features(client, "given")["text"].values.tolist() == before
    with pytest.raises(InputError, match="is of another space"):
        start(artefact, carry=True)
    # the way out
    client = start(kept)
    body = {"domain": "food", "items": ["given"]}
    assert client.post("/v1/remove", json=body).status_code == 200
    client = start(artefact, carry=True)
    width = features(client, "bare")["text"].values.shape[1]
    add(client, items=[{"item": "given", "vectors": {"text": [1.0] * width}}])
    assert features(start(artefact), "given")["text"].mask.all()


def test_vectors_of_the_same_space_are_carried_as_they_are(start, artefact, caplog):
    client = start(artefact)
    add(client, items=[{"item": "given", "vectors": {"text": VECTOR}}])
    change_features(artefact, a_little_off)
    reload(client)
    client = start(artefact)
    assert features(client, "given")["text"].values.tolist() == [VECTOR]
    assert "could not be checked" not in caplog.text
    # of the first artefact the journal still knows what the vectors are
    change_features(artefact, other_space)
    assert client.post("/v1/reload", json={}).status_code == 422


def test_texts_are_encoded_anew_once_where_the_space_is_another(
    start, artefact, letters
):
    has_encoder(artefact)
    client = start(artefact)
    add(client, items=[{"item": "tea", "text": "green tea"}, {"item": "bare"}])
    letters.encode = lambda texts: torch.tensor([VECTOR] * len(texts))
    change_features(artefact, other_space)
    reload(client)
    letters.encode = None  # not again
    for asked in (client, start):
        asked = asked if asked is client else start(artefact)
        found = features(asked, "tea", "bare")["text"]
        assert found.values[0].tolist() == VECTOR
        assert found.mask.tolist() == [True, False]


def test_texts_that_were_not_read_are_encoded_by_an_artefact_that_reads_them(
    start, artefact, letters
):
    text, there = {}, artefact / "features-food.safetensors"
    text.update(read_tensors(there)[0])
    change_features(artefact, lambda tensors: drop(add_image(tensors), "text"))
    client = start(artefact)
    add(client, items=[{"item": "tea", "text": "green tea"}])
    has_encoder(artefact)
    change_features(artefact, lambda _: text)
    reload(client)
    assert features(client, "tea")["text"].mask.all()
    assert features(start(artefact), "tea")["text"].mask.all()
    assert letters.seen == ["green tea"]


def test_a_journal_of_before_is_carried_and_said_to_be_unchecked(
    start, artefact, caplog, tmp_path
):
    client = start(artefact)
    add(client, items=[{"item": "given", "vectors": {"text": VECTOR}}])
    for served in client.app.state.shelf:
        served.journal.close()
    with sqlite3.connect(tmp_path / "state" / FILE) as base:
        base.execute("DROP TABLE space")
        base.execute("ALTER TABLE item DROP COLUMN artefact")
    base.close()
    assert features(start(artefact, writable=False), "given")["text"].mask.all()
    change_features(artefact, other_space)
    client = start(artefact, carry=True)
    assert features(client, "given")["text"].values.tolist() == [VECTOR]
    assert "the vectors of text of 1 added items are taken as they are" in caplog.text
    # from now on it is known
    change_features(artefact, other_space)
    assert client.post("/v1/reload", json={}).status_code == 422
