"""An artefact is one folder: complete, movable, checked, and without test pairs."""

import json
import shutil

import polars as pl
import pytest
import yaml
from reference.damage import FEW, damages, place
from safetensors.torch import load_file

import micrec_pyg
from micrec_pyg.inference.recommender import load
from micrec_pyg.schema import InputError

NEW_NODES = ("split=new_nodes", "split.unseen_share=0.3")


@pytest.fixture
def artefact(trained, tmp_path):
    """Return the artefact of a run that has not been tested, in another place."""
    run = trained("model=micrec", *NEW_NODES)
    return shutil.copytree(f"{run.path}/artefact", tmp_path / "moved")


def pairs_of(folder, name):
    """Return {part: {(user, item)}} of what an artefact knows, raw ids."""
    users, items = (
        pl.read_parquet(folder / f"{kind}-{name}.parquet")["id"]
        for kind in ("users", "items")
    )
    known = pl.read_parquet(folder / f"known-{name}.parquet")
    return {
        part[0]: {*zip(users.gather(of["user"]), items.gather(of["item"]), strict=True)}
        for part, of in known.group_by("part")
    }


def test_it_answers_in_another_place_without_the_run(
    artefact, trained, tmp_path, monkeypatch
):
    run = trained("model=micrec", *NEW_NODES)
    question = {"users": ["u5", "u6"], "domain": "food", "k": 5}
    expected = load(run).recommend(**question)
    shutil.rmtree(artefact / "split")  # of the run, not of the answers
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICREC_DATA", str(tmp_path / "nothing"))
    before = sorted(p.name for p in tmp_path.rglob("*"))
    found = micrec_pyg.load(artefact).recommend(**question)
    assert found.equals(expected)
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_titles_are_the_texts_of_the_items(artefact):
    rec = load(artefact)
    found = rec.recommend(history={}, domain="food", k=30)
    titles = dict(found.select("item", "title").iter_rows())
    assert len(titles) == len(rec.items("food"))
    assert titles["food3"] == "tea 3"
    assert titles["food5"] is None


def test_no_test_pair_is_known_and_support_only_after_the_test(trained, tmp_path):
    run = trained("model=inmo", *NEW_NODES)
    copy = shutil.copytree(run.path, tmp_path / "run")
    split = {
        name: pl.read_parquet(copy / "artefact" / "split" / f"{name}.parquet")
        for name in ("food", "kitchen")
    }

    def of_split(name, part):
        return {*split[name].filter(part=part).select("user", "item").iter_rows()}

    before = {name: pairs_of(copy / "artefact", name) for name in split}
    micrec_pyg.evaluate(copy)
    after = {name: pairs_of(copy / "artefact", name) for name in split}
    for name in split:
        assert before[name].keys() == {"train", "val"}
        assert after[name].keys() == {"train", "val", "support"}
        for part, pairs in after[name].items():
            assert pairs == of_split(name, part)
            assert not pairs & of_split(name, "test")
    # the new users of the split have a history now
    users = {user for user, _ in after["food"]["support"]}
    seen = {user for user, _ in after["food"]["train"]}
    (user, *_) = sorted(users - seen)
    found = load(copy).recommend(users=[user], domain="food", k=3)
    assert found["reason"][0] == "history"


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "digests.json",
        "features-food.safetensors",
        "items-food.parquet",
        "known-kitchen.parquet",
        "model.safetensors",
        "neighbors.safetensors",
        "templates.safetensors",
        "users-food.parquet",
    ],
)
def test_a_damaged_file_is_refused_by_name(artefact, trained, name):
    other = f"{trained('model=inmo', 'seed=3').path}/artefact/{name}"
    with open(other, "rb") as file:
        cases = damages((artefact / name).read_bytes(), file.read(), places=FEW)
    good = (artefact / name).read_bytes()
    for case, content in {**cases, "gone": None}.items():
        if content == good:
            continue
        place(artefact / name, content)
        if case == "gone":
            (artefact / name).rmdir()
        with pytest.raises(InputError) as caught:
            load(artefact)
        assert str(artefact / name) in str(caught.value), case
        assert str(caught.value).endswith("or train the run again"), case
    place(artefact / name, good)
    load(artefact)


def sealed_again(folder, name, content):
    """Write a file with the digest that belongs to it, as a stranger would."""
    from micrec_pyg.storage.seals import seal

    names = [*json.loads((folder / "manifest.json").read_text())["sha256"]]
    (folder / name).write_text(content)
    seal(folder, names)


def test_another_format_is_refused(artefact):
    record = json.loads((artefact / "artefact.json").read_text())
    sealed_again(artefact, "artefact.json", json.dumps({**record, "format": 2}))
    with pytest.raises(InputError, match=r"artefact\.json: format 2 was given, this"):
        load(artefact)


@pytest.mark.parametrize("group", ["model.net", "graph"])
def test_settings_of_a_stranger_call_nothing(artefact, group, tmp_path):
    config = yaml.safe_load((artefact / "config.yaml").read_text())
    node = config["graph"] if group == "graph" else config["model"]["net"]
    node.clear()
    node.update(_target_="os.mkdir", path=str(tmp_path / "made"))
    sealed_again(artefact, "config.yaml", yaml.safe_dump(config))
    with pytest.raises(InputError, match=r"_target_: os\.mkdir is no class"):
        load(artefact)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("missing", ["manifest.json", "artefact.json"])
def test_a_folder_without_its_head_is_refused(artefact, missing):
    (artefact / missing).unlink()
    with pytest.raises(InputError, match=r"manifest\.json is missing|is no artefact"):
        load(artefact)


def test_a_run_of_an_earlier_version_is_completed_by_an_evaluation(trained, tmp_path):
    run = trained("model=micrec", *NEW_NODES)
    copy = shutil.copytree(run.path, tmp_path / "run")
    for name in ("artefact.json", "manifest.json", "known-food.parquet"):
        (copy / "artefact" / name).unlink()
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="micrec evaluate --again"):
        load(copy)
    micrec_pyg.evaluate(copy, again=True)
    assert load(copy).domains == ["food", "kitchen"]


def test_it_holds_no_pickle(artefact):
    kinds = {path.suffix for path in artefact.rglob("*") if path.is_file()}
    assert kinds == {".json", ".yaml", ".md", ".parquet", ".safetensors"}
    assert load_file(artefact / "model.safetensors")


def test_the_union_of_domains_answers_each_domain(trained):
    run = trained("model=micrec", "graph=union", "gamma=0", "split=new_nodes")
    rec = load(run.evaluate())
    for name in ("food", "kitchen"):
        user = rec.users(name)[0]
        found = rec.recommend(users=[user], domain=name, k=3)
        assert all(item.startswith(name) for item in found["item"])
        part = rec.explain(user, found["item"][0], domain=name)
        score = found["score"][0]
        assert part["contribution"].sum() == pytest.approx(score, abs=1e-4)
        assert part.height > 2
        assert all(item is None or item.startswith(name) for item in part["item"])
    history = {"food": ["food1", "food2"], "kitchen": ["kitchen3"]}
    found = rec.recommend(history=history, domain="food", k=3)
    assert {*found["reason"]} <= {"history", "content"}
    with pytest.raises(InputError, match="graph=union"):
        rec.add_interactions(
            pl.DataFrame({"user": ["new"], "item": ["food1"]}), domain="food"
        )


def test_loading_a_tested_run_searches_for_no_neighbours(trained, monkeypatch):
    run = trained("model=micrec", *NEW_NODES, "seed=2").evaluate()

    def search(*given, **named):
        raise AssertionError("neighbours are in the artefact")

    monkeypatch.setattr("micrec_pyg.graph.domain_graph.cached_lists", search)
    load(run)


def test_a_device_that_is_not_there_is_refused(trained):
    run = trained("model=bpr_mf")
    for device, said in (("cuda:9", "this machine has"), ("mps", "give auto, cpu")):
        with pytest.raises(InputError, match=f"device={device}: {said}"):
            load(run, device=device)
