"""The own-catalogue reader: what it understands and what it refuses."""

import logging

import polars as pl
import pytest
import torch
from reference.raw import by_item, ids, pairs

from micrec_pyg.data.sources import Tables
from micrec_pyg.schema import InputError

DEFAULTS = {
    "domains": None,
    "columns": None,
    "text_fields": None,
    "text_sep": ". ",
    "rating_min": None,
    "duplicates": "error",
    "filters": None,
    "links": None,
    "split_by": None,
}


def read(path, **options):
    return Tables.read(path=str(path), **{**DEFAULTS, **options})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def shop(tmp_path):
    """Two domains that share user ``b``; food has texts and images."""
    write(tmp_path / "food/interactions.tsv", "user\titem\torder\na\t1\t0\nb\t2\t1\n")
    write(
        tmp_path / "food/items.tsv",
        "item\ttitle\tbrand\n1\tRed tea\tAcme\n2\t\tZeta\n3\t\t\n",
    )
    write(tmp_path / "food/images/1.JPG", "first")
    write(tmp_path / "food/images/3.png", "third")
    write(tmp_path / "food/images/9.png", "nobody's")
    write(tmp_path / "food/images/notes.txt", "no image")
    write(tmp_path / "kitchen/interactions.csv", "item,user,x_label\n7,b,0\n8,c,2\n")
    return tmp_path


def test_domains_items_users_and_times(shop):
    read_back = read(shop)
    assert list(read_back) == ["food", "kitchen"]
    food, kitchen = (read_back[name].interactions for name in read_back)
    assert ids(read_back["food"]) == (["a", "b"], ["1", "2", "3"])
    assert pairs(food) == [("a", "1"), ("b", "2")]
    assert food.time.tolist() == [0, 1]
    assert food.part is None
    assert pairs(kitchen) == [("b", "7"), ("c", "8")]
    assert kitchen.part.tolist() == [0, 2]
    assert kitchen.time is None


def test_text_fields_are_joined_in_the_order_asked_for(shop):
    food = read(shop)["food"]
    text = by_item(food, food.content["text"])
    assert text == {"1": "Red tea. Acme", "2": "Zeta", "3": None}
    options = {
        "domains": ["food"],
        "text_fields": ["brand", "title"],
        "text_sep": " | ",
    }
    food = read(shop, **options)["food"]
    text = by_item(food, food.content["text"])
    assert text == {"1": "Acme | Red tea", "2": "Zeta", "3": None}
    assert read(shop, text_fields=[])["food"].content["text"].to_list() == [None] * 3
    # kitchen has no items table at all
    assert read(shop)["kitchen"].content["text"].to_list() == [None, None]


def test_images_are_found_by_item_and_others_are_counted(shop):
    food = read(shop)["food"]
    images = shop / "food/images"
    found = by_item(food, food.content["image"])
    assert found == {"1": f"{images}/1.JPG", "2": None, "3": f"{images}/3.png"}
    assert food.dropped["images_of_unknown_items"] == 1


def test_items_outside_the_items_table_stay_without_text_and_are_counted(shop, caplog):
    caplog.set_level(logging.INFO)
    write(shop / "food/interactions.tsv", "user\titem\na\t5\na\t1\nb\t5\n")
    food = read(shop)["food"]
    text = by_item(food, food.content["text"])
    assert list(text) == ["1", "2", "3", "5"]
    assert text["5"] is None
    assert food.dropped["items_missing_from_items_table"] == 1
    assert "incomplete: 1 items missing from items table" in caplog.text


def test_precomputed_vectors_follow_the_items(shop):
    frame = pl.DataFrame({"item": ["3", "x", "1"], "vector": [[1, 2], [3, 4], [5, 6]]})
    frame.write_parquet(shop / "food/audio.parquet")
    food = read(shop)["food"]
    assert list(food.vectors) == ["audio"]
    assert food.vectors["audio"].values.dtype == torch.float32
    values = by_item(food, food.vectors["audio"].values)
    assert values == {"1": [5, 6], "2": [0, 0], "3": [1, 2]}
    mask = by_item(food, food.vectors["audio"].mask)
    assert mask == {"1": True, "2": False, "3": True}
    assert food.dropped["vectors_of_unknown_items"] == 1


@pytest.mark.parametrize(
    ("vectors", "items", "fault"),
    [
        ([[1.0, 2.0], [3.0]], ["1", "2"], r"widths \[1, 2\]"),
        ([[1.0], [float("nan")]], ["1", "2"], "row 2.*'2', whose vector is not finite"),
        ([[1.0], [2.0]], ["1", "1"], "several vectors"),
        (["a", "b"], ["1", "2"], "list of numbers"),
    ],
)
def test_unusable_vectors_are_refused(shop, vectors, items, fault):
    frame = pl.DataFrame({"item": items, "vector": vectors})
    frame.write_parquet(shop / "food/audio.parquet")
    with pytest.raises(InputError, match=fault):
        read(shop)


def test_the_format_of_the_files_does_not_matter(shop, tmp_path):
    expected = read(shop, domains=["food"])["food"]
    for stem in ("interactions", "items"):
        frame = pl.read_csv(shop / f"food/{stem}.tsv", separator="\t")
        (shop / f"food/{stem}.tsv").unlink()
        frame.write_parquet(shop / f"food/{stem}.parquet")
    food = read(shop, domains=["food"])["food"]
    assert food.interactions.edges.equal(expected.interactions.edges)
    assert food.interactions.items.ids.equals(expected.interactions.items.ids)
    assert food.content["text"].to_list() == expected.content["text"].to_list()


def test_digest_changes_with_content_and_options_and_nothing_else(shop, tmp_path):
    def digests(**options):
        return {name: c.digest for name, c in read(shop, **options).items()}

    before = digests()
    assert len(set(before.values())) == 2
    assert digests() == before
    assert digests(domains=["kitchen", "food"]) == before
    assert digests(text_sep=" ")["food"] != before["food"]
    assert digests(duplicates="last")["food"] != before["food"]
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    shop.rename(moved)
    assert {n: c.digest for n, c in read(moved).items()} == before
    write(moved / "food/images/1.JPG", "changed")
    after = {n: c.digest for n, c in read(moved).items()}
    assert after["food"] != before["food"]
    assert after["kitchen"] == before["kitchen"]


def test_rating_threshold_is_counted_per_domain(tmp_path):
    write(tmp_path / "d/interactions.csv", "user,item,rating\na,1,5\na,2,3\nb,1,2\n")
    data = read(tmp_path, rating_min=4)["d"]
    assert data.interactions.edges.tolist() == [[0], [0]]
    assert data.dropped["rating_below_min"] == 2
    assert data.dropped["users_without_interactions"] == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"domains": ["food", "garden"]}, r"garden.*valid: food, kitchen"),
        ({"domains": "food"}, r"needed: \[food\]"),
        ({"text_fields": "title"}, r"needed: \[title\]"),
        ({"domains": []}, "valid: food, kitchen"),
        ({"text_fields": ["name"]}, "text field name.*found: item, title, brand"),
        ({"rating_min": 4}, "column rating is missing; found: user, item, order"),
        ({"duplicates": "newest"}, "valid: first, last, error"),
    ],
)
def test_impossible_options_are_refused(shop, options, fault):
    with pytest.raises(InputError, match=fault):
        read(shop, **options)


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        (
            "food/interactions.tsv",
            "user\titem\n",
            "domain 'food'.*its interactions have no rows",
        ),
        (
            "food/interactions.tsv",
            "uid\titem\na\t1\n",
            "found: uid, item; needed: user",
        ),
        (
            "food/items.tsv",
            "item\ttitle\n1\ta\n1\tb\n",
            "line 3.*'1', which was listed before",
        ),
        ("food/items.tsv", "id\ttitle\n1\ta\n", "found: id, title; needed: item"),
        ("food/images/1.png", "again", r"1\.JPG, 1\.png show one item"),
        ("food/items.csv", "item\n1\n", r"found items\.tsv, items\.csv"),
        (
            "kitchen/interactions.csv",
            "item,user,x_label\n7,b,0\n8,c,3\n",
            "line 3.*got 3",
        ),
    ],
)
def test_impossible_files_are_refused(shop, file, text, fault):
    write(shop / file, text)
    with pytest.raises(InputError, match=fault):
        read(shop)


def test_a_folder_without_domains_says_what_is_needed(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="each domain is a subfolder"):
        read(tmp_path)
    write(tmp_path / "interactions.tsv", "user\titem\na\t1\n")
    with pytest.raises(InputError, match="move it into a subfolder"):
        read(tmp_path)


def test_columns_with_other_names_are_mapped_or_guessed(shop, caplog):
    expected = read(shop)
    write(shop / "food/interactions.tsv", "uid\tsku\torder\na\t1\t0\nb\t2\t1\n")
    write(shop / "food/items.tsv", "sku\ttitle\n1\tRed tea\n2\t\n3\t\n")
    lines = '{"User_ID": "b", "itemId": 7}\n\n{"User_ID": "c", "itemId": 8}\n'
    (shop / "kitchen/interactions.csv").unlink()
    write(shop / "kitchen/interactions.jsonl", lines)
    with pytest.raises(InputError, match=r"line 1: column user is missing"):
        read(shop)
    found = read(shop, columns={"user": "uid", "item": "sku"}, domains=["food"])
    found |= read(shop, domains=["kitchen"])
    assert "column 'User_ID': taken as the user" in caplog.text
    assert "column 'itemId': taken as the item" in caplog.text
    for name, catalogue in expected.items():
        data, other = catalogue.interactions, found[name].interactions
        assert data.users.ids.to_list() == other.users.ids.to_list()
        assert data.items.ids.to_list() == other.items.ids.to_list()
        assert data.edges.equal(other.edges)


def test_a_catalogue_knows_its_sources_options_and_steps(shop):
    food = read(shop, duplicates="last")["food"]
    assert food.clock == "order"
    assert list(food.sources) == ["interactions.tsv", "items.tsv", "images/ (3 files)"]
    assert food.options["duplicates"] == "last"
    assert [str(step) for step in food.steps] == [
        "2 interactions, 2 users, 3 items",
        "2 interactions, 2 users, 3 items",
    ]
    kitchen = read(shop)["kitchen"]
    assert (kitchen.clock, list(kitchen.sources)) == (None, ["interactions.csv"])


def test_filters_reach_texts_images_and_vectors(shop):
    frame = pl.DataFrame({"item": ["1", "2"], "vector": [[1.0], [2.0]]})
    frame.write_parquet(shop / "food/audio.parquet")
    food = read(shop, domains=["food"], filters={"min_text": 5})["food"]
    assert food.interactions.items.ids.to_list() == ["1"]
    assert food.content["text"].to_list() == ["Red tea. Acme"]
    assert len(food.content["image"]) == 1
    assert food.vectors["audio"].values.tolist() == [[1.0]]
    assert food.dropped["items_with_short_text"] == 2


def test_link_tables_decide_who_is_who(shop):
    write(shop / "who.tsv", "food\tkitchen\na\tc\n")
    before = read(shop)
    linked = read(shop, links=["who.tsv"])
    users = {n: ids(c)[0] for n, c in linked.items()}
    assert users == {"food": ["a", "b"], "kitchen": ["a", "kitchen:b"]}
    assert all(linked[n].digest != before[n].digest for n in linked)
    write(shop / "who.tsv", "food\tkitchen\nb\tc\n")
    other = read(shop, links=["who.tsv"])
    assert all(linked[n].digest != other[n].digest for n in linked)


def test_a_core_over_the_union_makes_digests_depend_on_all_domains(shop):
    union = {"user_core": 2, "core_of": "union"}
    before = read(shop, filters=union)
    own = read(shop, domains=["kitchen"], filters={"user_core": 1})
    assert before["food"].interactions.users.ids.to_list() == ["b"]
    write(shop / "food/interactions.tsv", "user\titem\tx\nb\t1\t0\nb\t2\t1\n")
    after = read(shop, filters=union)
    assert before["kitchen"].digest != after["kitchen"].digest
    again = read(shop, domains=["kitchen"], filters={"user_core": 1})
    assert own["kitchen"].digest == again["kitchen"].digest


def test_vectors_of_zeros_are_missing_and_named(shop, caplog):
    frame = pl.DataFrame({"item": ["1", "2"], "vector": [[1.0, 0.0], [0.0, -0.0]]})
    frame.write_parquet(shop / "food" / "audio.parquet")
    food = read(shop)["food"]
    mask = by_item(food, food.vectors["audio"].mask)
    assert {item for item, known in mask.items() if known} == {"1"}
    assert "1 items have a vector of zeros, such as '2'" in caplog.text
    zeros = pl.DataFrame({"item": ["1"], "vector": [[0.0, 0.0]]})
    zeros.write_parquet(shop / "food" / "audio.parquet")
    assert read(shop)["food"].vectors == {}
    assert "every vector is zero: the modality is left out" in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_marks_of_missing_values_are_no_texts(shop, caplog, suffix):
    marks = ["nan", "None", " NULL ", "N/A", "n/a", "#N/A", "<NA>", "\\N", "NaT", "NA"]
    titles = [*marks, "Nancy", "None of us", "Red tea"]
    frame = pl.DataFrame({"item": [*map(str, range(len(titles)))], "title": titles})
    (shop / "food/items.tsv").unlink()
    path = shop / f"food/items.{suffix}"
    writers = {
        "csv": frame.write_csv,
        "jsonl": frame.write_ndjson,
        "parquet": frame.write_parquet,
    }
    writers[suffix](path)
    food = read(shop)["food"]
    texts = {
        i: t for i, t in by_item(food, food.content["text"]).items() if t is not None
    }
    assert texts == {"10": "Nancy", "11": "None of us", "12": "Red tea"}
    assert "column 'title': 10 texts are ' NULL ', '#N/A', '<NA>'" in caplog.text
    assert "count as missing" in caplog.text


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("fields", [None, ["title", "tags", "sizes"]])
def test_lists_of_texts_are_joined_and_those_of_numbers_if_named(
    shop, caplog, suffix, fields
):
    frame = pl.DataFrame(
        {
            "item": ["1", "2", "3"],
            "title": ["Tea", None, "Mug"],
            "tags": [["red", "hot"], [None, "nan", "big"], []],
            "sizes": [[1, 2], [3], None],
            "embedding": [[0.25, 0.5], None, [0.5, 0.75]],
        }
    )
    (shop / "food/items.tsv").unlink()
    write_items = {"jsonl": frame.write_ndjson, "parquet": frame.write_parquet}
    write_items[suffix](shop / f"food/items.{suffix}")
    food = read(shop, text_fields=fields, text_sep=" | ", domains=["food"])["food"]
    sizes = [" | 1 2", " | 3"] if fields else ["", ""]
    assert by_item(food, food.content["text"]) == {
        "1": f"Tea | red hot{sizes[0]}",
        "2": f"big{sizes[1]}",
        "3": "Mug",
    }
    for name in ("sizes", "embedding"):
        told = f"column '{name}': it holds lists of numbers, which are no texts; vector"
        assert told in caplog.text
    assert "column 'tags'" not in caplog.text


def test_columns_that_hold_no_texts_are_named(shop, caplog):
    caplog.set_level("INFO")
    frame = pl.DataFrame(
        {
            "item": ["1", "2", "3"],
            "maker": pl.Series(["Ann", "Bob", "Ann"], dtype=pl.Categorical),
            "stock": [{"a": 1}, {"a": 2}, {"a": 3}],
            "code": [b"x", b"y", b"z"],
            "year": [1999, 2000, 2001],
        }
    )
    (shop / "food/items.tsv").unlink()
    frame.write_parquet(shop / "food/items.parquet")
    food = read(shop, domains=["food"])["food"]
    assert by_item(food, food.content["text"]) == {"1": "Ann", "2": "Bob", "3": "Ann"}
    for name in ("stock", "code"):
        assert f"column '{name}': it holds values of type" in caplog.text
    assert "no text: column year" in caplog.text
    with pytest.raises(InputError, match="text field stock is not in the items"):
        read(shop, text_fields=["stock"], domains=["food"])


@pytest.mark.parametrize("typed", [True, False])
def test_titles_that_are_numbers_alone_are_no_texts_and_a_warning_says_so(
    shop, caplog, typed
):
    frame = pl.DataFrame({"item": ["1", "2"], "Title": [1984, 300], "year": [1949, 7]})
    (shop / "food/items.tsv").unlink()
    if typed:
        frame.write_parquet(shop / "food/items.parquet")
    else:
        frame.write_csv(shop / "food/items.csv")
    food = read(shop, domains=["food"])["food"]
    assert food.content["text"].count() == 0
    assert "column 'Title': its name is that of a text, but it holds" in caplog.text
    assert "'year'" not in caplog.text
    caplog.clear()
    food = read(shop, domains=["food"], text_fields=["Title"])["food"]
    assert by_item(food, food.content["text"]) == {"1": "1984", "2": "300"}
    assert "its name is that of a text" not in caplog.text


@pytest.mark.parametrize("price", [["4.99", "7"], ["$4.99", "from 3.99"], ["", "7"]])
@pytest.mark.parametrize("name", ["price", "Unit_Price"])
def test_a_price_is_no_text_unless_asked_for(shop, price, name):
    lines = [f"{i + 1}\tTea {i}\t{cell}\n" for i, cell in enumerate(price)]
    write(shop / "food/items.tsv", "".join([f"item\ttitle\t{name}\n", *lines]))
    food = read(shop, domains=["food"])["food"]
    assert by_item(food, food.content["text"]) == {"1": "Tea 0", "2": "Tea 1"}
    food = read(shop, domains=["food"], text_fields=["title", name])["food"]
    assert by_item(food, food.content["text"])["2"].endswith(price[1])


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("a,1,,0,5", "created_at"),
        ("a,,1,0,5", "sku"),
        ("-1,1,1,0,5", "client"),
        ("a,1,1,4,5", "part"),
        ("a,1,1,0,x", "stars"),
    ],
)
def test_messages_call_a_column_as_the_file_does(shop, row, column):
    lines = "client,sku,created_at,part,stars\na,2,1,0,5\n"
    (shop / "food/interactions.tsv").unlink()
    write(shop / "food/interactions.csv", f"{lines}{row}\n")
    with pytest.raises(InputError, match=f"line 3, column '{column}': got "):
        read(shop, domains=["food"], columns={"x_label": "part"}, rating_min=1)


def test_a_guessed_time_that_is_none_is_left_out(shop, caplog):
    write(shop / "food/interactions.tsv", "user\titem\tdate\na\t1\t31/12/19\n")
    food = read(shop, domains=["food"])["food"]
    assert food.clock is None
    assert "column 'date': its name is that of a time, but it holds '31/12/19'" in (
        caplog.text
    )
    with pytest.raises(InputError, match=r"got '31/12/19', a time is needed"):
        read(shop, domains=["food"], columns={"timestamp": "date"})
    lines = "user\titem\tcreated_at\na\t1\t2019-12-31\n"
    write(shop / "food/interactions.tsv", lines)
    food = read(shop, domains=["food"])["food"]
    assert food.interactions.time.tolist() == [1577750400]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2020-01-01", 0),
        ("2020-01-01 10:00", 10),
        ("2020-01-01T10:00:00", 10),
        ("2020-01-01T10:00:00.250Z", 10),
        ("2020-01-01T10:00:00+02:00", 8),
        ("2020-01-01 10:30 -0530", 16),
    ],
)
def test_a_time_has_an_offset_or_is_utc(shop, text, hours):
    write(shop / "food/interactions.tsv", f"user\titem\ttimestamp\na\t1\t{text}\n")
    food = read(shop, domains=["food"])["food"]
    assert food.interactions.time.tolist() == [1577836800 + 3600 * hours]
