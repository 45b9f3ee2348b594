"""What lies in a catalogue's folders is read, or named with the reason."""

import gzip
import logging
import os

import polars as pl
import pytest
from PIL import Image
from reference.malformed import OPTIONS

from micrec_pyg.data.catalogue.image_files import SUFFIXES
from micrec_pyg.data.check.folder import check
from micrec_pyg.data.describe.card import data_card
from micrec_pyg.data.sources import Tables
from micrec_pyg.schema import InputError

LENIENT = {**OPTIONS, "rating_min": None}
ROWS = "user,item\na,1\nb,2\na,2\n"
ITEMS = "item,title\n1,Red tea\n2,Green tea\n"


def write(path, content=ROWS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def shop(tmp_path):
    write(tmp_path / "food/interactions.csv")
    write(tmp_path / "food/items.csv", ITEMS)
    return tmp_path


def read(shop, **options):
    return Tables.read(path=str(shop), **{**LENIENT, **options})


def named(shop, caplog):
    """Return what check names; the log and the data card name the same."""
    found = [str(p) for p in check(str(shop), limit=50, options=LENIENT).found]
    found = [_inside(shop, each) for each in found]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        catalogues = read(shop)
    told = [_inside(shop, r.getMessage()) for r in caplog.records]
    left = {n: why for each in catalogues.values() for n, why in each.left_out.items()}
    assert sorted(f"{name}: {why}" for name, why in left.items()) == sorted(told)
    assert set(told) <= set(found)
    assert len(told) == len(set(told))
    _, _, section = data_card(catalogues).partition("## Left out")
    assert all(f"| {name} |" in section for name in left)
    return told


def _inside(shop, told):
    return told.removeprefix(f"{shop}/").removeprefix(f"{shop}, ")


def images(shop):
    """Return the images of items 1 and 2, by the path inside the domain's folder."""
    food = read(shop)["food"]
    files = dict(zip(food.interactions.items.ids, food.content["image"], strict=True))
    start = f"{shop}/food/"
    return {i: f and f.removeprefix(start) for i, f in sorted(files.items())}


def test_where_all_is_read_nothing_is_named(shop, caplog):
    write(shop / "food/.hidden")
    write(shop / "manifest.json", "{}")
    write(shop / "food/counts.json", "{}")
    assert named(shop, caplog) == []
    assert "| nothing | - |" in data_card(read(shop))


@pytest.mark.parametrize("ending", ["csv.gz", "tsv.gz", "jsonl.gz", "CSV", "TSV.GZ"])
def test_compressed_tables_and_capitals_are_read(shop, ending, caplog):
    before = read(shop)["food"]
    kind, _, packed = ending.lower().partition(".")
    for stem, text in (("interactions", ROWS), ("items", ITEMS)):
        (shop / f"food/{stem}.csv").unlink()
        if kind == "tsv":
            text = text.replace(",", "\t")
        if kind == "jsonl":
            text = pl.read_csv(text.encode(), infer_schema=False).write_ndjson()
        data = gzip.compress(text.encode()) if packed else text
        write(shop / f"food/{stem}.{ending}", data)
    after = read(shop)["food"]
    assert after.interactions.user.tolist() == before.interactions.user.tolist()
    assert after.interactions.item.tolist() == before.interactions.item.tolist()
    assert after.content["text"].to_list() == before.content["text"].to_list()
    assert named(shop, caplog) == []


def test_a_fault_in_a_compressed_table_has_its_line(shop):
    write(shop / "food/items.csv.gz", gzip.compress(b'item,title\n1,"a\nb"\n1,c\n'))
    (shop / "food/items.csv").unlink()
    with pytest.raises(InputError, match=r"items\.csv\.gz, line 4, column 'item'"):
        read(shop)


def test_a_compressed_table_that_is_cut_off_is_refused(shop):
    whole = gzip.compress(ITEMS.encode())
    write(shop / "food/items.csv.gz", whole[: len(whole) // 2])
    (shop / "food/items.csv").unlink()
    with pytest.raises(InputError, match="gzip data are damaged or cut off"):
        read(shop)


def test_a_plain_table_goes_before_its_compressed_copy(shop, caplog):
    digest = read(shop)["food"].digest
    write(shop / "food/items.csv.gz", gzip.compress(b"item,title\n1,Other\n"))
    assert read(shop)["food"].digest == digest
    (line,) = named(shop, caplog)
    assert line.startswith("food/items.csv.gz: it is not read: another table of this")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        *(("Items.csv", "items.csv"), ("item.tsv", "items.tsv")),
        *(("products.csv", "items.csv"), ("itmes.CSV.gz", "items.csv.gz")),
        *(("facts.jsonl", "kg.jsonl"), ("Items.parquet", "items.parquet")),
        ("items.xlsx", "items.csv"),
    ],
)
def test_a_near_miss_in_a_domain_names_the_right_name(shop, name, right, caplog):
    (shop / "food/items.csv").unlink()
    write(shop / "food" / name, ITEMS)
    (line,) = named(shop, caplog)
    assert line.startswith(f"food/{name}: it is not read; did you mean '{right}'?")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ratings.csv", "nothing of this name is known"),  # there are interactions
        ("train.csv", "split=files reads such files"),
        ("README", "nothing of this name is known"),
    ],
)
def test_other_files_of_a_domain_are_named(shop, name, reason, caplog):
    write(shop / "food" / name)
    (line,) = named(shop, caplog)
    assert line.startswith(f"food/{name}: it is not read")
    assert reason in line


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("ratings.csv", "interactions.csv"),
        ("Interactions.TSV", "interactions.tsv"),
        ("reviews.jsonl.gz", "interactions.jsonl.gz"),
        ("clicks.txt", "interactions"),
        ("notes.txt", None),
    ],
)
def test_a_folder_without_interactions_is_named(shop, name, right, caplog):
    write(shop / "kitchen" / name)
    (line,) = named(shop, caplog)
    assert line.startswith("kitchen: no interactions.(tsv|csv|parquet|jsonl) there")
    if right:
        assert f"{name} is not read; did you mean '{right}" in line
    with pytest.raises(InputError, match=f"kitchen.*{right or 'add one'}"):
        read(shop, domains=["kitchen"])


def test_what_lies_beside_the_domains_is_named(shop, caplog):
    write(shop / "items.csv", ITEMS)
    write(shop / "who.csv", "food,kitchen\na,q\n")
    write(shop / "kitchen/interactions.csv", "user,item\nq,7\n")
    (shop / "garden").symlink_to(shop / "nowhere")
    write(shop / "a.txt")
    write(shop / "b.txt")
    told = "\n".join(named(shop, caplog))
    assert "garden: it is a link to nothing" in told
    assert "items.csv: it is not read: a table belongs into the folder" in told
    assert "who.csv: it is not read; if it links users, give data.links=" in told
    assert "a.txt, b.txt: it is not read: domains are folders" in told
    assert "who.csv" not in str(read(shop, links=["who.csv"])["food"].left_out)


@pytest.mark.parametrize("name", ["interactions.csv", "items.csv"])
def test_a_table_that_is_a_link_to_nothing_is_refused(shop, name):
    (shop / "food" / name).unlink()
    (shop / "food" / name).symlink_to(shop / "nowhere")
    with pytest.raises(InputError, match=f"{name}: .*it is a link to nothing"):
        read(shop)
    found = check(str(shop), limit=9, options=LENIENT).found
    assert [each.file.name for each in found if each.error] == [name]


@pytest.mark.parametrize(
    "name",
    ["images/1.jfif", "Images/1.jpg", "IMAGES/1.TIF", "images/a/b/1.png"],
)
def test_images_are_read_from_every_ending_and_folder(shop, name, caplog):
    write(shop / "food" / name, b"an image")
    assert images(shop) == {"1": name, "2": None}
    assert named(shop, caplog) == []


def test_a_folder_called_after_an_item_holds_its_image(shop, caplog):
    write(shop / "food/images/1/front.jpg", b"an image")
    write(shop / "food/images/2/2.jpg", b"an image")
    assert images(shop) == {"1": "images/1/front.jpg", "2": "images/2/2.jpg"}
    assert named(shop, caplog) == []


@pytest.mark.parametrize(
    ("names", "found", "reason"),
    [
        (["1/front.jpg", "1/back.jpg"], None, "its item has several"),
        (["a/1.jpg", "b/1.jpg"], None, "its item has several"),
        (["1/2.jpg"], None, "its name and its folder's are two items"),
        (["1.jpg", "small/1.jpg"], "1.jpg", "its item has several"),
        (["1.jpg", "1.tiff"], "1.jpg", "its item has several"),
        (["1.jpg", "2.heic"], "1.jpg", ".heic: it is not read as an image"),
    ],
)
def test_images_that_are_not_certain_are_named(shop, names, found, reason, caplog):
    for name in names:
        write(shop / "food/images" / name, b"an image")
    expected = None if found is None else f"images/{found}"
    assert images(shop) == {"1": expected, "2": None}
    (line,) = named(shop, caplog)
    assert line.startswith("food/images")
    assert reason in line


def test_pillow_opens_every_ending_that_is_read():
    Image.init()
    kinds = Image.registered_extensions()
    assert [ending for ending in SUFFIXES if kinds.get(ending) not in Image.OPEN] == []


def test_links_in_the_folder_of_images_are_named(shop, caplog):
    write(shop / "food/images/1.jpg", b"an image")
    (shop / "food/images/2.jpg").symlink_to(shop / "nowhere")
    (shop / "food/images/more").symlink_to(shop)
    told = "\n".join(named(shop, caplog))
    assert "food/images/2.jpg: it is a link to nothing" in told
    assert "food/images/more: a link to a folder is not followed" in told


@pytest.mark.parametrize(
    ("columns", "near"),
    [
        ({"rating": "stars"}, "column stars .*found: user, item"),
        ({"item": "sku"}, "column sku "),
        ({"user": "usr"}, "column usr .*did you mean 'user'"),
    ],
)
def test_a_column_that_no_table_has_is_refused(shop, columns, near):
    with pytest.raises(InputError, match=near):
        read(shop, columns=columns)
    assert check(str(shop), limit=9, options={**LENIENT, "columns": columns}).errors


def test_a_column_that_one_domain_has_is_enough(shop):
    write(shop / "kitchen/interactions.csv", "client,item,user\na,7,x\n")
    write(shop / "garden/interactions.jsonl", '{"user": "a", "item": "8"}\n')
    catalogues = read(shop, columns={"user": "client"})
    assert list(catalogues["kitchen"].interactions.users.ids) == ["a"]
    assert sorted(catalogues["food"].interactions.users.ids) == ["a", "b"]


def test_columns_without_a_role_are_named(shop, caplog):
    write(shop / "kitchen/interactions.csv", "user,item,qty,shop no\na,7,2,1\n")
    told = "\n".join(named(shop, caplog))
    assert "kitchen/interactions.csv: not read: the columns 'qty', 'shop no'; " in told


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_names_of_folders_are_no_patterns(tmp_path, ending):
    root = tmp_path / "shop [v2]*"
    for name in ("a?", "ab", "ac"):
        frame = pl.DataFrame({"user": ["u"], "item": [f"i of {name}"]})
        path = write(root / name / f"interactions.{ending}", b"")
        if ending == "parquet":
            frame.write_parquet(path)
        elif ending == "jsonl":
            path.write_text(frame.write_ndjson())
        else:
            path.write_text(frame.write_csv(separator=",\t"[ending == "tsv"]))
    found = {
        name: list(each.interactions.items.ids) for name, each in read(root).items()
    }
    assert found == {name: [f"i of {name}"] for name in ("a?", "ab", "ac")}


LATIN = os.fsdecode(b"caf\xe9")
"""A name in Latin-1, as an old archive leaves it."""


@pytest.mark.parametrize(
    "name",
    [
        f"food/{LATIN}.txt",
        f"food/{LATIN}.parquet",
        f"food/images/{LATIN}.jpg",
        f"food/images/{LATIN}/1.jpg",
        f"food/audio/{LATIN}.wav",
        f"food/{LATIN}/1.wav",
        f"{LATIN}/interactions.csv",
    ],
)
def test_a_name_that_is_not_utf8_is_not_read_but_named(shop, caplog, name):
    write(shop / "food/audio/1.wav")
    write(shop / name)
    (told,) = named(shop, caplog)
    assert "caf\ufffd" in told
    assert told.endswith("it is not read: its name is not UTF-8; rename it")
    assert [*read(shop)] == ["food"]


def test_a_path_that_is_not_utf8_is_refused(shop):
    (shop / "food").rename(shop / LATIN)
    with pytest.raises(InputError, match="caf\ufffd: a name in this path is not UTF-8"):
        read(shop / LATIN)


@pytest.mark.parametrize("name", [".trash/interactions.csv", "food/._text.parquet"])
def test_what_is_hidden_is_no_domain_and_no_modality(shop, caplog, name):
    write(shop / name)
    assert named(shop, caplog) == []
    (food,) = read(shop).values()
    assert not food.vectors
