"""Every yaml of conf/data and conf/split is a call that its function accepts."""

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from reference.reading import data_yaml

from micrec_pyg.cli.config import composed
from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.data.sources import Source
from micrec_pyg.data.splits.at_random import random_ratio, ready
from micrec_pyg.data.splits.by_time import global_time, leave_one_out, user_time
from micrec_pyg.data.splits.imported import files
from micrec_pyg.data.splits.inductive import (
    history_elsewhere,
    new_interactions,
    new_nodes,
    zero_edge,
)
from micrec_pyg.data.splits.saved import load_split
from micrec_pyg.schema import InputError

CONF = Path(__file__).parents[2] / "conf"
READ = {field.name for field in fields(ReadingOptions)}
DATA = {"movielens", "tables", "food_kitchen", "ml100k_posters", "synthetic"}
DATA |= {"amazon2014", "amazon2018", "amazon2023"}
DATA |= {"toy_game", "citeulike", "recbole", "mmrec", "heterodata", "ngcf"}
SPLITS = {
    "random": random_ratio,
    "random_811": random_ratio,
    "leave_one_out": leave_one_out,
    "user_time": user_time,
    "global_time": global_time,
    "new_interactions": new_interactions,
    "new_nodes": new_nodes,
    "zero_edge": zero_edge,
    "history_elsewhere": history_elsewhere,
    "ready": ready,
    "files": files,
    "saved": load_split,
}
PATH = {"tables", "recbole", "mmrec", "heterodata", "ngcf"}
HYDRA = {"_target_", "_convert_", "_partial_"}


def load(group, name):
    """Return one yaml with what the top level of the configuration gives it."""
    path = CONF / group / f"{name}.yaml"
    part = data_yaml(name) if group == "data" else OmegaConf.load(path)
    return OmegaConf.create({"seed": 7, group: part})[group]


def test_no_yaml_is_forgotten():
    assert {path.stem for path in (CONF / "data").iterdir()} == {*DATA, "_reading"}
    assert {path.stem for path in (CONF / "split").iterdir()} == set(SPLITS)


@pytest.mark.parametrize("name", sorted(DATA))
def test_keys_are_the_arguments(name):
    config = load("data", name)
    door, _, method = config["_target_"].rpartition(".")
    source = get_class(door)
    assert issubclass(source, Source)
    assert method == "read"
    assert {field.name for field in fields(source)} == set(config) - HYDRA - READ
    # all options stand in the yaml, none hides in the code
    for field in (*fields(source), *fields(ReadingOptions)):
        assert field.default is field.default_factory is MISSING


def test_the_shared_yaml_holds_the_reading_options():
    shared = OmegaConf.load(CONF / "data" / "_reading.yaml")
    assert set(shared) - HYDRA == READ


def test_the_shared_yaml_is_no_data_set():
    with pytest.raises(InputError, match=r"data\._target_ has no value"):
        composed(["data=_reading"])
    with pytest.raises(
        InputError, match=r"are amazon2014, (?!.*_reading).*, toy_game$"
    ):
        composed(["data=nothing_like_it"])
    with pytest.raises(InputError, match=r"nearest valid key is 'data\.rating_min'"):
        composed(["data.rating_mim=3"])


@pytest.mark.parametrize("name", sorted(DATA))
def test_every_data_set_takes_every_reading_option(name):
    needed = ["data.path=p"] if name in PATH else []
    needed += ["pair=food_kitchen"] if name.startswith("amazon") else []
    assert set(composed([f"data={name}", *needed])["data"]) >= READ


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_a_split_waits_for_its_domains(name):
    config = load("split", name)
    if OmegaConf.is_missing(config, "path"):
        config["path"] = "given by the user"
    call = instantiate(config)
    assert call.func is SPLITS[name]
    assert {"domains", *call.keywords} == set(inspect.signature(call.func).parameters)
    assert call.keywords.get("seed", 7) == 7
    ratios = [8, 1, 1] if name == "random_811" else [7, 1, 2]
    assert call.keywords.get("ratios", ratios) == ratios


def test_the_synthetic_yaml_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("MICREC_DATA", str(tmp_path))
    catalogues = instantiate(load("data", "synthetic"))
    assert list(catalogues) == ["d0", "d1"]
    users = [set(c.interactions.users.ids) for c in catalogues.values()]
    # 200 users in each, half of them in both; everybody has a choice or more
    assert [len(ids) for ids in users] == [200, 200]
    assert len(users[0] & users[1]) == 100
    assert all(c.content["image"].null_count() == 0 for c in catalogues.values())


@pytest.fixture
def shared(shared_data, monkeypatch):
    monkeypatch.setenv("MICREC_SHARED", str(shared_data.parent))


@pytest.mark.shared
def test_food_kitchen_has_the_size_its_source_names(shared):
    catalogues = instantiate(load("data", "food_kitchen"))
    sizes = {
        name: (
            len(c.interactions.users),
            len(c.interactions.items),
            len(c.content["text"]),
        )
        for name, c in catalogues.items()
    }
    assert sizes == {"food": (14870, 8661, 8661), "kitchen": (47589, 27637, 27637)}
    edges = [len(c.interactions.user) for c in catalogues.values()]
    assert edges == [98_316, 337_811]
    food, kitchen = (set(c.interactions.users.ids) for c in catalogues.values())
    assert len(food & kitchen) == 9398
    assert all(c.content["text"].null_count() == 0 for c in catalogues.values())


@pytest.mark.shared
def test_posters_divide_into_two_domains(shared):
    catalogues = instantiate(load("data", "ml100k_posters"))
    items = sum(len(c.interactions.items) for c in catalogues.values())
    images = sum(c.content["image"].is_not_null().sum() for c in catalogues.values())
    edges = sum(len(c.interactions.user) for c in catalogues.values())
    # MovieLens-100K: 1,682 films; 55,375 of the ratings are 4 or 5
    assert (list(catalogues), items, images, edges) == (["A", "B"], 1682, 1663, 55_375)
