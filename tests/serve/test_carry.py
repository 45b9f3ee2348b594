"""What was added under one artefact is told again to another one."""

import json
import shutil

import polars as pl
import pytest
import torch
from serve.conftest import GOLDEN
from serve.test_journal import VECTOR, add

from micrec_pyg.schema import InputError
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


def drop_image(tensors):
    return {name: each for name, each in tensors.items() if "image" not in name}


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
