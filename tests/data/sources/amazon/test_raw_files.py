"""Which raw files are taken: by folder, by kind, by pair, by name on the web."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from micrec_pyg.data.sources.amazon.raw_files import AmazonFiles, RawFiles
from micrec_pyg.schema import InputError

CONF = Path(__file__).parents[4] / "conf" / "data"


def source(release, **options):
    data = OmegaConf.load(CONF / f"amazon{release}.yaml")
    data = OmegaConf.to_container(OmegaConf.create({"pair": None, "data": data}))
    given = {key: data["data"][key] for key in AmazonFiles.__dataclass_fields__}
    return AmazonFiles(**{**given, "root": "data", "pair": "food_kitchen", **options})


def place(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("release", "reviews", "metadata"),
    [
        ("2014", "categoryFiles/ratings_{}.csv", "categoryFiles/meta_{}.json.gz"),
        ("2018", "categoryFilesSmall/{}.csv", "metaFiles2/meta_{}.json.gz"),
        (
            "2023",
            "benchmark/0core/rating_only/{}.csv.gz",
            "raw/meta_categories/meta_{}.jsonl.gz",
        ),
    ],
)
def test_names_on_the_web(release, reviews, metadata):
    found = source(release, base_url="http://127.0.0.1/x/", sha256={"a": "0"}).remotes()
    names = [
        kind.format(category)
        for category in ("Grocery_and_Gourmet_Food", "Home_and_Kitchen")
        for kind in (reviews, metadata)
    ]
    assert [remote.url for remote in found] == [
        f"http://127.0.0.1/x/{n}" for n in names
    ]
    folder = Path("data", "raw", f"amazon{release}")
    assert [remote.target for remote in found] == [folder / name for name in names]


def test_pairs_and_lists_of_categories():
    assert source("2018", pair="toy_game").categories() == {
        "toy": "Toys_and_Games",
        "game": "Video_Games",
    }
    three = ["Books", "Movies_and_TV", "Software"]
    assert source("2018", pair=three).categories() == dict(
        zip(three, three, strict=True)
    )
    for pair in (None, "food", [], ["../up"]):
        with pytest.raises(InputError, match="give one of food_kitchen, beauty_elec"):
            source("2018", pair=pair).categories()
    with pytest.raises(InputError, match="twice"):
        source("2018", pair=["Books", "Books"]).categories()


def test_a_folder_may_hold_any_kind_with_or_without_gz(tmp_path):
    place(tmp_path, "Books.json", "meta_Books.json.gz", "metaFiles2/meta_Toys.json")
    place(tmp_path, "categoryFilesSmall/Toys_5.json.gz")
    found = source("2018", path=str(tmp_path), pair=["Books", "Toys"]).raw_files()
    assert found == {
        "Books": RawFiles(tmp_path / "Books.json", tmp_path / "meta_Books.json.gz"),
        "Toys": RawFiles(
            tmp_path / "categoryFilesSmall" / "Toys_5.json.gz",
            tmp_path / "metaFiles2" / "meta_Toys.json",
        ),
    }


def test_several_kinds_need_a_choice(tmp_path):
    place(tmp_path, "Books.json.gz", "Books.csv", "meta_Books.json.gz")
    options = {"path": str(tmp_path), "pair": ["Books"]}
    with pytest.raises(InputError, match=r"ratings \(Books.csv\), reviews"):
        source("2018", **options).raw_files()
    found = source("2018", source="reviews", **options).raw_files()
    assert found["Books"].interactions.name == "Books.json.gz"
    with pytest.raises(InputError, match="valid: ratings, reviews, 5core"):
        source("2018", source="core", **options).raw_files()


def test_missing_files_are_named(tmp_path):
    options = {"path": str(tmp_path), "pair": ["Books"]}
    with pytest.raises(InputError, match=r"Books.csv or Books.json.gz or Books_5.json"):
        source("2018", **options).raw_files()
    place(tmp_path, "Books.csv")
    with pytest.raises(InputError, match=r"meta_Books.json.gz.*data.metadata=false"):
        source("2018", **options).raw_files()
    found = source("2018", metadata=False, **options).raw_files()
    assert found["Books"] == RawFiles(tmp_path / "Books.csv", None)
    with pytest.raises(InputError, match="no such folder; give data"):
        source("2018", **{**options, "path": str(tmp_path / "no")}).raw_files()
