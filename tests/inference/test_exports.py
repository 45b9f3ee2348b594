"""What other programs take over gives the scores that the model gives."""

import dataclasses
import errno
import io
import os
import re
import sys
from pathlib import Path

import duckdb
import faiss
import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf
from torch.testing import assert_close

from micrec_pyg.cli.export import main
from micrec_pyg.inference.exports.index import write_index
from micrec_pyg.inference.exports.tables import write_tables
from micrec_pyg.inference.exports.tower_network import write_tower
from micrec_pyg.inference.exports.vectors import has_vectors
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.inference.tower import MODELS
from micrec_pyg.models.base import Model
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.schema import InputError, StorageError

TOWERS = ["alpharec", "freedom", "inmo", "inmo_mf", "lightgcn", "micrec"]
OTHERS = {
    "bitgcf": "reads the histories of all domains",
    "bpr_mf": "has no vector for people it never saw",
    "cdrib": "reads the histories of all domains",
    "clcrec": "has no vector for people it never saw",
    "content_knn": "no inner products",
    "ease": "no inner products",
    "bm3": "has no user tower",
    "disencdr": "reads the histories of all domains",
    "dropoutnet": "has no user tower",
    "emcdr": "reads the histories of all domains",
    "idcf": "has no user tower",
    "lattice": "has no user tower",
    "marec": "no inner products",
    "mgcn": "has no user tower",
    "smore": "has no user tower",
    "ease_xc": "no inner products",
    "item_knn": "no inner products",
    "micrec_plus": "reads the histories of all domains",
    "multivae": "no inner products",
    "neumf": "no inner products",
    "popularity": "has no user tower",
    "unicdr": "reads the histories of all domains",
    "vbpr": "has no vector for people it never saw",
}
GOLDEN = Path(__file__).parent / "golden_format_1"
HISTORIES = [["food-3"], ["food-1", "food-4", "food-2"], ["food-2", "food-0"]]


def answered_by_network(world, folder, histories):
    """Return the scores of all items, by an ONNX runtime and the files alone."""
    path, table = write_tower(world, "food", folder)
    items = pl.read_parquet(table)
    row = dict(items.select("item", "row").iter_rows())
    longest = max(map(len, histories))
    asked = np.full((len(histories), longest), -1, dtype=np.int64)
    for place, history in enumerate(histories):
        asked[place, : len(history)] = [row[item] for item in history]
    network = onnxruntime.InferenceSession(str(path))
    (users,) = network.run(["user"], {"history": asked})
    scores = users @ np.array(items["vector"].to_list(), dtype=np.float32).T
    return [dict(zip(items["item"], each, strict=True)) for each in scores]


def answered_by_model(world, histories):
    rec = Recommender(world)
    found = []
    for history in histories:
        lists = rec.recommend(
            history={"food": history}, domain="food", k=100, exclude_seen=False
        )
        assert {*lists["reason"]} <= {"history", "content"}
        found.append(dict(lists.select("item", "score").iter_rows()))
    return found


def check(world, folder):
    found = answered_by_network(world, folder, HISTORIES)
    for ours, theirs in zip(answered_by_model(world, HISTORIES), found, strict=True):
        # lists are without new items that have the vector 0
        left_out = dict.fromkeys(theirs.keys() - ours.keys(), 0.0)
        assert ours | left_out == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("config", TOWERS, indirect=True)
def test_the_network_gives_the_scores_of_the_model(world, tmp_path):
    check(world, tmp_path)


@pytest.mark.parametrize("aggregation", ["mean", "weighted", "softmax"])
@pytest.mark.parametrize("config", ["lightgcn_neighbors", "micrec"], indirect=True)
def test_it_listens_to_similar_people_as_the_model_does(world, aggregation, tmp_path):
    neighbor = NeighborAggregation(aggregation=aggregation, temperature=0.3)
    before = world.model.neighbor
    world.model.neighbor = neighbor
    try:
        with torch.no_grad():
            z = world.model(world.graphs)
            scores = {n: world.model.scorer(n, z, world.graphs) for n in world.tasks}
        check(dataclasses.replace(world, z=z, scores=scores), tmp_path)
    finally:
        world.model.neighbor = before


@pytest.mark.parametrize("config", OTHERS, indirect=True)
def test_who_has_no_network_says_why(world, request, tmp_path):
    name = request.node.callspec.params["config"]
    with pytest.raises(InputError, match=OTHERS[name]):
        write_tower(world, "food", tmp_path)
    assert not [*tmp_path.iterdir()]


def test_every_model_has_a_network_or_a_reason():
    from models.conftest import NAMES

    assert {*TOWERS, *OTHERS, "lightgcn_neighbors"} == {*NAMES}


def test_the_page_says_of_every_model_what_it_has():
    from models.conftest import CONF, NAMES

    page = (CONF.parents[1] / "docs" / "exports.md").read_text()
    said = {}
    for names, vectors, tower in re.findall(
        r"^\| (`.*`) \| (.*) \| (.*) \|$", page, re.M
    ):
        for name in re.findall(r"`(\w+)`", names):
            said.setdefault(name, (vectors[:2] != "no", tower == "yes"))
    expected = {}
    for name in NAMES:
        kind = get_class(OmegaConf.load(CONF / f"{name}.yaml").net["_target_"])
        expected[name] = (kind.scorer is Model.scorer, kind in MODELS)
    assert {name: said.get(name) for name in NAMES} == expected


@pytest.mark.parametrize("config", [*TOWERS, *OTHERS], indirect=True)
def test_the_vectors_of_a_model_are_written_and_searched(world, tmp_path):
    users, items, _ = map(
        pl.read_parquet, write_tables(world, "food", tmp_path, k=3).files
    )
    if not has_vectors(world):
        assert "vector" not in users.columns
        return
    index, _ = write_index(world, "food", tmp_path, kind="flat", k=3).files
    assert faiss.read_index(str(index)).ntotal == items.height
    found = [torch.tensor(table["vector"].to_list()) for table in (users, items)]
    with torch.no_grad():
        scores = world.scores["food"](torch.arange(users.height))
    assert_close(found[0] @ found[1].T, scores, atol=1e-5, rtol=1e-5)


def test_a_full_disk_ends_an_index_in_one_sentence(tmp_path, monkeypatch, capsys):
    said = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(io.BytesIO):
        def write(self, _):
            raise said

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", *more, **how: (
            Full() if "wb" in mode else opened(path, mode, *more, **how)
        ),
    )
    with pytest.raises(StorageError, match=r"items-food\.faiss: the disk is full"):
        main(["faiss", str(GOLDEN), "--output", str(tmp_path / "out")])


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
@pytest.mark.parametrize("config", ["micrec"], indirect=True)
def test_the_index_finds_the_lists_of_the_model(world, kind, tmp_path):
    found = write_index(world, "food", tmp_path, kind=kind, k=3)
    path, table = found.files
    index = faiss.read_index(str(path))
    items = pl.read_parquet(table)["item"]
    lists = Recommender(world).recommend(
        users=["u1", "u2", "u3"], domain="food", k=3, exclude_seen=False
    )
    rows = world.rows("food").user[
        world.domains["food"].interactions.users.index(pl.Series(["u1", "u2", "u3"]))
    ]
    scores, places = index.search(world.z["food"].user[rows].numpy(), 3)
    assert lists["item"].to_list() == items.gather(places.flatten()).to_list()
    assert lists["score"].to_list() == pytest.approx(scores.flatten().tolist(), 1e-5)
    assert found.recall == 1.0
    again = write_index(world, "food", tmp_path / "again", kind=kind, k=3)
    assert path.read_bytes() == again.files[0].read_bytes()


@pytest.mark.parametrize("config", ["micrec", "ease"], indirect=True)
def test_the_tables_join_to_the_scores_of_the_lists(world, tmp_path):
    found = write_tables(world, "food", tmp_path, k=4)
    users, items, top = found.files
    lists = Recommender(world)
    every = lists.recommend(users=lists.users("food"), domain="food", k=4)
    assert pl.read_parquet(top).equals(every)
    if not found.vectors:
        assert "vector" not in pl.read_parquet_schema(users)
        return
    joined = duckdb.sql(
        f"""
        SELECT t.score, list_dot_product(u.vector, i.vector) AS product
        FROM '{top}' t JOIN '{users}' u ON t."user" = u."user"
        JOIN '{items}' i ON t.item = i.item WHERE t.reason = 'history'
        """
    ).pl()
    assert joined.height > 10
    assert joined["product"].to_list() == pytest.approx(joined["score"].to_list(), 1e-4)


@pytest.mark.parametrize(("way", "extra"), [("faiss", "ann"), ("onnx", "onnx")])
def test_a_missing_package_is_named(way, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, way, None)
    with pytest.raises(InputError, match=rf"pip install 'micrec-pyg\[{extra}\]'"):
        main([way, str(GOLDEN), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    for way in ("faiss", "onnx", "parquet"):
        assert main([way, str(GOLDEN), "--output", str(tmp_path / way), "-k", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * (2 + 2 + 3)
    assert {line.partition(":")[0] for line in lines} == {
        str(path) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert "recall@5 1.0000 of the exact lists of" in lines[0]


@pytest.mark.fuzz
def test_a_union_has_the_network_of_each_domain(trained, tmp_path):
    run = trained("model=micrec", "graph=union", "gamma=0", "split=new_nodes")
    world = load(run)._world
    found = answered_by_network_of(world, "kitchen", ["kitchen3"], tmp_path)
    lists = Recommender(world).recommend(
        history={"kitchen": ["kitchen3"]}, domain="kitchen", k=5
    )
    for item, score in lists.select("item", "score").iter_rows():
        assert found[item] == pytest.approx(score, abs=1e-5)


def answered_by_network_of(world, domain, history, folder):
    path, table = write_tower(world, domain, folder)
    items = pl.read_parquet(table)
    rows = items["item"].index_of(history[0])
    network = onnxruntime.InferenceSession(str(path))
    (user,) = network.run(["user"], {"history": np.array([[rows, -1]])})
    scores = np.array(items["vector"].to_list(), dtype=np.float32) @ user[0]
    return dict(zip(items["item"], scores, strict=True))


@pytest.mark.parametrize("config", ["micrec"], indirect=True)
def test_each_way_brings_the_same_table_of_items(world, tmp_path):
    write_tables(world, "food", tmp_path / "a", k=2)
    write_index(world, "food", tmp_path / "b", kind="flat", k=2)
    tables = [pl.read_parquet(tmp_path / way / "items-food.parquet") for way in "ab"]
    assert tables[0].equals(tables[1])
    assert "vector" in tables[0].columns


def test_an_index_is_of_faiss_alone(tmp_path):
    with pytest.raises(InputError, match="--index flat: parquet has no index"):
        main(["parquet", str(GOLDEN), "--output", str(tmp_path), "--index", "flat"])
    assert not [*tmp_path.iterdir()]
