"""Amazon releases end to end: raw files, conversion, images, catalogues."""

import io
from pathlib import Path

import pytest
from file_server import file_server
from omegaconf import OmegaConf
from PIL import Image
from reference import amazon as raw
from reference.reading import data_yaml

from micrec_pyg.data.download import connection as transfer
from micrec_pyg.runs.build import build
from micrec_pyg.schema import InputError

RELEASES = ["2014", "2018", "2023"]
PAIR = {"food": "Grocery_and_Gourmet_Food", "kitchen": "Home_and_Kitchen"}


def load(release, tmp_path, **options):
    """Return the catalogues that the yaml of a release makes."""
    data = data_yaml(f"amazon{release}")
    config = OmegaConf.create({"pair": "food_kitchen", "data": data})
    config.data.root = str(tmp_path / "root")
    config.data.update(options)
    return build(OmegaConf.to_container(config, resolve=True)["data"])


def place(folder, release, *, text=raw.csv_text, kind="ratings"):
    """Write the files of both categories under their official names."""
    data = data_yaml(f"amazon{release}")
    for category in PAIR.values():
        for name, content in ((kind, text), ("metadata", raw.meta_text)):
            file = data.files[name].replace("{category}", category)
            gz = file.endswith(".gz")
            raw.write(folder / file, content(release), compressed=gz)
    return folder


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "WAIT_S", 0)
    with file_server() as running:
        yield running


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", ["ratings", "reviews"])
def test_a_folder_of_raw_files_becomes_catalogues(tmp_path, release, kind):
    text = raw.csv_text if kind == "ratings" else raw.json_text
    folder = place(tmp_path / "raw", release, text=text, kind=kind)
    found = load(release, tmp_path, path=str(folder))
    assert list(found) == ["food", "kitchen"]
    # the naive answer: of a repeated pair the last review by time counts
    last = {}
    for user, item, _, second in raw.naive_reviews(release, text(release)):
        last[user, item] = max(second, last.get((user, item), 0))
    for catalogue in found.values():
        data = catalogue.interactions
        users, items = data.users.ids.to_list(), data.items.ids.to_list()
        pairs = zip(data.user.tolist(), data.item.tolist(), strict=True)
        times = zip(pairs, data.time.tolist(), strict=True)
        assert {(users[u], items[i]): t for (u, i), t in times} == last
        assert (catalogue.clock, catalogue.dropped["duplicates"]) == ("timestamp", 2)
        texts = dict(zip(items, catalogue.content["text"], strict=True))
        for item, (*fields, _) in raw.EXPECTED[release].items():
            words = [field for field in fields if field]
            assert texts[item] == (". ".join(words) or None)
        assert texts["155319247X"] is None
        assert catalogue.dropped["items_missing_from_items_table"] == 1
        unrated = sum("UNRATED" in str(row) for row in raw.META[release])
        assert catalogue.dropped["metadata_of_unrated_items"] == unrated
        assert len(catalogue.sources) == 4  # two raw files, two converted ones
    assert found["food"].digest != found["kitchen"].digest


def test_it_is_converted_once_per_content_and_options(tmp_path):
    folder = place(tmp_path / "raw", "2018")
    first = load("2018", tmp_path, path=str(folder))
    (converted,) = (tmp_path / "root" / "processed").iterdir()
    before = (converted / "food" / "items.parquet").stat().st_mtime_ns
    again = load("2018", tmp_path, path=str(folder))
    assert (converted / "food" / "items.parquet").stat().st_mtime_ns == before
    assert [c.digest for c in again.values()] == [c.digest for c in first.values()]
    every = load("2018", tmp_path, path=str(folder), unrated_items=True)
    assert "B00UNRATED" in every["food"].interactions.items.ids
    file = folder / "categoryFilesSmall" / "Home_and_Kitchen.csv"
    file.write_text(file.read_text() + "B00813GRG4,A000000000NEW,5.0,1500000000\n")
    changed = load("2018", tmp_path, path=str(folder))
    assert "A000000000NEW" in changed["kitchen"].interactions.users.ids
    assert len(list((tmp_path / "root" / "processed").iterdir())) == 3


def test_ratings_below_and_without_metadata(tmp_path):
    folder = place(tmp_path / "raw", "2014")
    options = {"path": str(folder), "metadata": False, "rating_min": 4}
    food = load("2014", tmp_path, **options)["food"]
    assert food.content["text"].null_count() == len(food.interactions.items) == 4
    assert food.dropped["rating_below_min"] == 2


def test_a_file_of_another_release_leaves_nothing(tmp_path):
    folder = place(tmp_path / "raw", "2018")
    wrong = raw.csv_text("2014")
    raw.write(folder / "categoryFilesSmall" / "Home_and_Kitchen.csv", wrong)
    with pytest.raises(InputError, match=r"Kitchen.csv: .* 2014, wanted was 2018"):
        load("2018", tmp_path, path=str(folder))
    bad = raw.csv_text("2018") + "B00813GRG4,A000000000NEW,x,1500000000\n"
    raw.write(folder / "categoryFilesSmall" / "Home_and_Kitchen.csv", bad)
    with pytest.raises(InputError, match=r"Kitchen.csv, line 7, column '3 \(rating\)'"):
        load("2018", tmp_path, path=str(folder))
    assert not [*tmp_path.glob("root/processed/*")]


@pytest.mark.parametrize("release", RELEASES)
def test_missing_files_are_downloaded_once(tmp_path, release, server):
    folder = place(tmp_path / "web", release)
    server.files = {
        f"/data/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*.*")
    }
    food_csv = next(name for name in server.files if "Grocery" in name)
    server.faults[f"GET {food_csv}"] = [("drop", 50), ("code", 503)]
    options = {"base_url": f"{server.url}/data"}
    found = load(release, tmp_path, **options)
    local = load(release, tmp_path, path=str(folder))
    for name, catalogue in found.items():
        assert catalogue.interactions.user.equal(local[name].interactions.user)
        assert catalogue.content["text"].equals(local[name].content["text"])
    server.asked.clear()
    load(release, tmp_path, **options)
    assert server.asked == []
    # a file that changed since is refused
    target = tmp_path / "root" / "raw" / f"amazon{release}" / food_csv[len("/data/") :]
    target.write_bytes(target.read_bytes()[:-1])
    with pytest.raises(InputError, match="delete the file and fetch it again"):
        load(release, tmp_path, **options)


def test_a_known_checksum_is_enforced(tmp_path, server):
    folder = place(tmp_path / "web", "2018")
    server.files = {
        f"/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*.*")
    }
    name = "categoryFilesSmall/Home_and_Kitchen.csv"
    with pytest.raises(InputError, match=f"Kitchen.csv.part: .*needed: {'0' * 64}"):
        load("2018", tmp_path, base_url=server.url, sha256={name: "0" * 64})


def test_images_are_fetched_beside_the_raw_files_and_used(tmp_path, server):
    folder = place(tmp_path / "raw", "2018")
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    server.files["/a.jpg"] = content.getvalue()  # its name says JPEG
    for path in folder.rglob("meta_*"):
        text = raw.meta_text("2018").replace("https://images.example", server.url)
        raw.write(path, text, compressed=True)
    plain = load("2018", tmp_path, path=str(folder))
    assert all(c.content["image"].null_count() == 4 for c in plain.values())
    assert server.asked == []
    options = {"path": str(folder), "fetch_images": True, "image_workers": 2}
    found = load("2018", tmp_path, **options)
    store = folder / "images" / PAIR["food"]
    images = dict(
        zip(
            found["food"].interactions.items.ids,
            found["food"].content["image"],
            strict=True,
        )
    )
    assert Path(images["B00813GRG4"]).samefile(store / "B00813GRG4.png")
    assert images["0594481813"] is None
    assert "0594481813" in (store / "dead.csv").read_text()
    assert found["food"].digest != plain["food"].digest
    # they are there now, whatever other option changes
    server.asked.clear()
    later = load("2018", tmp_path, path=str(folder), unrated_items=True)
    assert (
        later["food"].content["image"].null_count()
        == len(later["food"].content["image"]) - 1
    )
    assert server.asked == []
