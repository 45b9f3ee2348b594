"""Pictures of items travel with an artefact; no answer depends on them."""

import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from inference.golden import write_shop
from PIL import Image

from micrec_pyg.inference.examples import examples_of
from micrec_pyg.inference.recommender import load
from micrec_pyg.schema import InputError
from micrec_pyg.storage.seals import seal

COLOURS = {"food0": "red", "food3": "green", "food18": "blue"}  # nobody has food18


@pytest.fixture(scope="module")
def pictured(trained, tmp_path_factory):
    """Return a run on the shop with a few images in one domain."""
    root = tmp_path_factory.mktemp("pictured")
    write_shop(root)
    (root / "food" / "images").mkdir()
    for item, colour in COLOURS.items():
        path = root / "food" / "images" / f"{item}.png"
        Image.new("RGB", (400, 200), colour).save(path)
    (root / "food" / "images" / "food5.jpg").write_text("no image")
    run = trained("model=bpr_mf", f"data.path={root}")
    shutil.rmtree(root)
    return run


@pytest.fixture
def artefact(pictured, tmp_path):
    return shutil.copytree(f"{pictured.path}/artefact", tmp_path / "moved")


def test_every_item_with_an_image_has_a_picture(artefact):
    rec = load(artefact)
    for item in rec.items("food"):
        jpeg = rec.picture(item, domain="food")
        assert (jpeg is not None) == (item in COLOURS)
        if jpeg:
            image = Image.open(io.BytesIO(jpeg))
            assert image.size == (160, 80)
            expected = Image.new("RGB", (1, 1), COLOURS[item]).getpixel((0, 0))
            assert image.getpixel((80, 40)) == pytest.approx(expected, abs=3)
    assert rec.picture("kitchen1", domain="kitchen") is None
    assert [rec.has_pictures(name) for name in ("food", "kitchen")] == [True, False]
    with pytest.raises(InputError, match="food has no item 'kitchen1'"):
        rec.picture("kitchen1", domain="food")


def test_examples_have_the_pictures_of_their_items(artefact):
    rec, rows = load(artefact), examples_of(artefact, k=20)
    for row in rows.iter_rows(named=True):
        assert row["picture"] == rec.picture(row["item"], domain=row["domain"])
    assert rows["picture"].null_count() < len(rows)


def test_a_domain_without_images_has_no_file(artefact):
    names = {path.name for path in artefact.glob("thumbnails-*")}
    assert names == {"thumbnails-food.parquet"}
    sealed = json.loads((artefact / "manifest.json").read_text())["sha256"]
    assert names <= sealed.keys()


@pytest.mark.fuzz
def test_they_can_be_left_out(trained, shop, tmp_path):
    image = shop / "food" / "images" / "food1.png"
    image.parent.mkdir()
    Image.new("RGB", (9, 9)).save(image)
    run = trained("model=bpr_mf", "fit.max_epochs=1", "thumbnails=false")
    shutil.rmtree(image.parent)
    assert not [*Path(run.path, "artefact").glob("thumbnails-*")]


def test_an_artefact_without_pictures_answers_the_same(artefact):
    question = {"history": {"food": ["food1"]}, "domain": "kitchen", "k": 4}
    before = load(artefact).recommend(**question)
    (artefact / "thumbnails-food.parquet").unlink()
    with pytest.raises(InputError, match=r"thumbnails-food\.parquet is missing"):
        load(artefact)
    names = json.loads((artefact / "manifest.json").read_text())["sha256"].keys()
    seal(artefact, [*(names - {"thumbnails-food.parquet"})])
    rec = load(artefact)
    assert rec.recommend(**question).equals(before)
    assert rec.picture("food0", domain="food") is None


@pytest.mark.parametrize("rows", [[0, 0], [-1], [99]])
def test_pictures_of_no_item_are_refused(artefact, rows):
    names = json.loads((artefact / "manifest.json").read_text())["sha256"]
    table = pl.DataFrame({"item": rows, "jpeg": [b"x"] * len(rows)})
    table.write_parquet(artefact / "thumbnails-food.parquet")
    seal(artefact, [*names])
    with pytest.raises(InputError, match=r"thumbnails-food\.parquet names rows"):
        load(artefact)


def test_pictures_come_and_go_with_their_items(artefact, tmp_path):
    rec = load(artefact)
    before = {item: rec.picture(item, domain="food") for item in rec.items("food")}
    rec.remove(items=["food0"], domain="food")
    with pytest.raises(InputError, match="no item 'food0'"):
        rec.picture("food0", domain="food")
    assert rec._world.pictures["food"].drop_nulls().len() == len(COLOURS) - 1
    rec.add_items(pl.DataFrame({"item": ["food0", "new"]}), domain="food")
    for item in rec.items("food"):
        gone = item in ("food0", "new")
        assert rec.picture(item, domain="food") == (None if gone else before[item])
