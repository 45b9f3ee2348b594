"""RecBole's atomic files in and out: what goes out comes back the same."""

import re
import tempfile
import unicodedata
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.reading import READING

from micrec_pyg.data.catalogue.interactions import to_interactions
from micrec_pyg.data.sources.recbole.export import export_recbole
from micrec_pyg.data.sources.recbole.reader import RecBole
from micrec_pyg.schema import DomainCatalogue, Feature, InputError

INTER = (
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "u1\ti1\t4\t881250949\nu2\ti1\t2.5\t881250950.0\nu1\ti2\t5\t881250951\n"
)
ITEM = (
    "item_id:token\tmovie_title:token_seq\tclass:token\tyear:float\timage_feat:float_seq\n"
    'i3\t"Toy" Story\tA\t1995\t0.5 -1\ni1\t\tB\t\t\ni2\tHeat\t\t1996\t1e-3 2\n'
)


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def read(path, root=None, **options):
    default = {
        "benchmark": ["train", "valid", "test"],
        "kg": False,
        "columns": None,
        **READING,
    }
    root = root or path.parent / "data"
    return RecBole.read(root=str(root), path=str(path), **{**default, **options})


def edges(catalogue):
    """Return the raw pairs with their time and part, in the order of the rows."""
    data = catalogue.interactions
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    rows = []
    for place in range(len(data.user)):
        time = None if data.time is None else int(data.time[place])
        part = None if data.part is None else int(data.part[place])
        rows.append((users[data.user[place]], items[data.item[place]], time, part))
    return rows


def vectors(catalogue, name):
    """Return the vector of every item by raw id, None where it has none."""
    feature, ids = catalogue.vectors[name], catalogue.interactions.items.ids.to_list()
    return {
        item: feature.values[row].tolist() if feature.mask[row] else None
        for row, item in enumerate(ids)
    }


def test_types_give_texts_numbers_and_vectors(tmp_path):
    folder = write(tmp_path / "ml", ml__inter=INTER, ml__item=ITEM, ml__user="x")
    (catalogue,) = read(folder).values()
    assert catalogue.name == "ml"
    assert edges(catalogue) == [
        ("u1", "i1", 881250949, None),
        ("u2", "i1", 881250950, None),
        ("u1", "i2", 881250951, None),
    ]
    assert catalogue.clock == "timestamp"
    # numbers are no text; items nobody touched stay
    assert catalogue.interactions.items.ids.to_list() == ["i3", "i1", "i2"]
    assert catalogue.content["text"].to_list() == ['"Toy" Story. A', "B", "Heat"]
    thousandth = torch.tensor(1e-3).item()
    wanted = {"i3": [0.5, -1.0], "i1": None, "i2": [thousandth, 2.0]}
    assert vectors(catalogue, "image") == wanted
    assert {"ml.inter", "ml.item"} <= set(catalogue.sources)
    (liked,) = read(folder, rating_min=4, text_fields=["year"]).values()
    assert [row[:2] for row in edges(liked)] == [("u1", "i1"), ("u1", "i2")]
    assert liked.content["text"].to_list() == ["1995.0", None, "1996.0"]


def test_the_parts_of_a_split_stay_apart(tmp_path):
    head = "user_id:token\titem_id:token\n"
    parts = {"s__train__inter": head + "b\tx\n", "s__test__inter": head + "b\ty\n"}
    folder = write(tmp_path / "s", s__valid__inter=head, s__inter=INTER, **parts)
    (catalogue,) = read(folder).values()
    assert edges(catalogue) == [("b", "x", None, 0), ("b", "y", None, 2)]
    # without a split the whole file counts
    (whole,) = read(folder, benchmark=None).values()
    assert len(edges(whole)) == 3
    (folder / "s.valid.inter").unlink()
    with pytest.raises(InputError, match=r"lacks s\.valid\.inter; add it"):
        read(folder)


def test_subfolders_are_domains_that_share_users(tmp_path):
    write(tmp_path / "shop/food", food__inter=INTER)
    write(tmp_path / "shop/toys", toys__inter=INTER.replace("u2", "u9"))
    found = read(tmp_path / "shop")
    assert list(found) == ["food", "toys"]
    users = [set(each.interactions.users.ids) for each in found.values()]
    assert users[0] & users[1] == {"u1"}
    assert list(read(tmp_path / "shop", domains=["toys"])) == ["toys"]
    with pytest.raises(InputError, match=r"\['tools'\]; found: food, toys"):
        read(tmp_path / "shop", domains=["tools"])


def test_the_role_of_a_field_can_be_told(tmp_path):
    text = INTER.replace("user_id", "customer").replace("rating", "label")
    folder = write(tmp_path / "a", a__inter=text)
    columns = {"user": "customer", "rating": "label:float"}
    (catalogue,) = read(folder, columns=columns, rating_min=4).values()
    assert len(edges(catalogue)) == 2
    with pytest.raises(InputError, match=r"a\.inter, line 1.*user is missing"):
        read(folder)


def test_triples_become_facts(tmp_path):
    folder = write(
        tmp_path / "a",
        a__inter=INTER,
        a__kg="head_id:token\trelation_id:token\ttail_id:token\nm1\tby\tm7\n",
        a__link="item_id:token\tentity_id:token\ni2\tm1\n",
    )
    (catalogue,) = read(folder, kg=True).values()
    facts = catalogue.facts.to_dicts()
    assert [(f["relation"], f["entity"]) for f in facts] == [("by", "m7")]
    assert catalogue.interactions.items.ids[facts[0]["item"]] == "i2"
    assert next(iter(read(folder).values())).facts is None
    (folder / "a.link").unlink()
    with pytest.raises(InputError, match=r"kg=true needs a\.kg and a\.link"):
        read(folder, kg=True)


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("inter", "rating:float", "rating", "line 1, column 'rating': a name with a"),
        ("inter", "rating:float", "rating:int", "line 1, column 'rating:int'"),
        ("inter", "rating:float", "user_id:float", "field user_id is there twice"),
        ("inter", "2.5", "good", "line 3, column 'rating:float': got 'good', a number"),
        (
            "inter",
            "881250950.0",
            "soon",
            "line 3, column 'timestamp:float': got 'soon'",
        ),
        ("inter", "u2\t", "\t", "line 3, column 'user_id:token': got an empty field"),
        ("inter", "u2\ti1", "u2 i1", "line 3: got 3 fields, the header has 4"),
        ("inter", "item_id", "thing", "column item is missing"),
        ("item", "1996", "about", "line 4, column 'year:float': got 'about'"),
        (
            "item",
            "1e-3 2",
            "1 two",
            "line 4, column 'image_feat:float_seq': got '1 two'",
        ),
        (
            "item",
            "1e-3 2",
            "1 nan",
            "line 4, column 'image_feat:float_seq': got '1 nan'",
        ),
        ("item", "1e-3 2", "1", "got '1', a vector of 2 numbers"),
        ("item", "i2\t", "i3\t", "line 4, column 'item': got 'i3', which was listed"),
        ("item", "image_feat:", "a/b:", "no modality can be called 'a/b'"),
        ("item", "image_feat:", "items_feat:", "no modality can be called 'items'"),
        ("item", "class:", "item:", "a field is called item"),
    ],
)
def test_a_fault_is_refused_with_its_place(tmp_path, file, old, new, fault):
    texts = {"a__inter": INTER, "a__item": ITEM}
    texts[f"a__{file}"] = texts[f"a__{file}"].replace(old, new)
    folder = write(tmp_path / "a", **texts)
    with pytest.raises(InputError, match=re.escape(fault)) as caught:
        read(folder)
    assert f"a.{file}" in str(caught.value)
    # nothing half-converted is left behind
    processed = tmp_path / "data/processed"
    assert not processed.exists() or not list(processed.iterdir())


@pytest.mark.parametrize("file", ["inter", "item"])
def test_fields_separated_by_blanks_are_told(tmp_path, file):
    texts = {"a__inter": INTER, "a__item": "item_id:token\ttitle:token\ni1\tTea\n"}
    texts[f"a__{file}"] = texts[f"a__{file}"].replace("\t", " ")
    folder = write(tmp_path / "a", **texts)
    fault = rf"a\.{file}, line 1: separated by blanks: RecBole wants tabs$"
    with pytest.raises(InputError, match=fault):
        read(folder)


def test_a_converted_file_that_was_deleted_is_made_anew(tmp_path, caplog):
    folder = write(tmp_path / "a", a__inter=INTER, a__item=ITEM)
    before = read(folder)["a"]
    (items,) = (tmp_path / "data/processed").rglob("items.parquet")
    items.unlink()
    after = read(folder)["a"]
    assert f"{items} is missing" in caplog.text
    assert after.digest == before.digest
    assert after.content["text"].to_list() == before.content["text"].to_list()
    assert after.content["text"].count() > 0


def test_a_folder_without_atomic_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no file NAME\.inter"):
        read(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "none")


NO_ID = re.compile(r"(?i)nan|null|none|nat|<na>|\\n|\s*-\s*\d+")
odd_ids = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=6
).filter(lambda text: is_seen(text) and not NO_ID.fullmatch(text))


def is_seen(text):
    """Return whether any of its marks can be seen."""
    return any(not x.isspace() and unicodedata.category(x) != "Cf" for x in text)


def is_word(text):
    """Return whether a column of this text alone is read as a text."""
    try:
        float(text)
    except ValueError:
        return not MISSING.fullmatch(text)
    return False


MISSING = re.compile(r"(?i)nan|null|none|nat|<na>|n/?a|\\n")
texts = (
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=12)
    .map(str.strip)
    .filter(is_word)
)
number = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def contents(draw):
    """Draw what a catalogue holds; raw ids hold anything that an id may hold."""
    users = draw(st.lists(odd_ids, min_size=1, max_size=4, unique=True))
    items = draw(st.lists(odd_ids, min_size=1, max_size=5, unique=True))
    pair = st.tuples(st.sampled_from(users), st.sampled_from(items))
    pairs = draw(st.lists(pair, min_size=1, max_size=8, unique=True))
    rows = {
        name: [pair[at] for pair in pairs] for at, name in enumerate(("user", "item"))
    }
    clock = draw(st.sampled_from(["timestamp", "order", None]))
    for name, high in (("time", 2**31), ("part", 2)):
        if (name == "time" and clock) or (name == "part" and draw(st.booleans())):
            rows[name] = [draw(st.integers(0, high)) for _ in pairs]
    text = [draw(st.none() | texts) or None for _ in items]
    # one of zeros counts as missing
    vector = st.none() | st.tuples(number, number).filter(any)
    return rows, items, text, [draw(vector) for _ in items], clock


def build(rows, items, text, vectors, clock):
    """Return a catalogue of what was drawn."""
    mask = torch.tensor([vector is not None for vector in vectors])
    values = torch.tensor([vector or (0, 0) for vector in vectors], dtype=torch.float32)
    return DomainCatalogue(
        name="d",
        interactions=to_interactions(pl.DataFrame(rows), pl.Series(items)),
        content={
            "text": pl.Series("text", text, dtype=pl.String),
            "image": pl.Series("image", [None] * len(items), dtype=pl.String),
        },
        vectors={"sound": Feature(values, mask)} if mask.any() else {},
        digest="",
        clock=clock,
    )


@settings(deadline=None, max_examples=20)
@given(contents())
def test_what_is_exported_comes_back(content):
    catalogue = build(*content)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        export_recbole({"d": catalogue}, folder)
        back = read(folder, domains=["d"])["d"]
    if catalogue.interactions.part is None:
        assert edges(back) == edges(catalogue)
    else:  # the files of the parts follow each other
        assert edges(back) == sorted(edges(catalogue), key=lambda row: row[3])
    ids = catalogue.interactions.items.ids.to_list()
    assert back.interactions.items.ids.to_list() == ids
    assert back.content["text"].to_list() == catalogue.content["text"].to_list()
    assert back.clock == catalogue.clock
    assert set(back.vectors) == set(catalogue.vectors)
    for modality in catalogue.vectors:
        assert vectors(back, modality) == vectors(catalogue, modality)


def test_what_does_not_fit_is_told(tmp_path):
    items = pl.Series(["NA", "i2"])
    rows = pl.DataFrame({"user": ['"u', "v"], "item": ["NA", "i2"]})
    catalogue = DomainCatalogue(
        name="d",
        interactions=to_interactions(rows, items),
        content={
            "text": pl.Series(["two\nlines", None], dtype=pl.String),
            "image": pl.Series([None, "i2.jpg"], dtype=pl.String),
        },
        vectors={},
        digest="",
    )
    told = export_recbole({"d": catalogue}, tmp_path / "out")["d"]
    # the user once, the item in both files
    for words in ("1 images", "1 texts had line breaks", "3 fields begin with"):
        assert words in told
    assert (tmp_path / "out/d/d.item").read_text() == (
        "item_id:token\ttext:token_seq\nNA\ttwo lines\ni2\t\n"
    )
    with pytest.raises(InputError, match="exists already"):
        export_recbole({"d": catalogue}, tmp_path / "out")


def test_what_is_not_read_is_named_at_every_reading(tmp_path, caplog):
    folder = write(
        tmp_path / "rb",
        a__inter=INTER,
        a__user="user_id:token\nu1\n",
        a__kg="a",
        b__item=ITEM,
        links__csv="a,b\n",
        notes__txt="",
    )
    for _ in range(2):
        caplog.clear()
        read(folder)
        told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert [each.removeprefix(f"{folder}") for each in told] == [
            "/a.kg: it is not read without data.kg=true; give that for facts",
            "/a.user: it is not read: no model uses what is known of users",
            ", b.item, notes.txt: it is not read: nothing of this name is known here; "
            "remove it if it is not needed",
            "/links.csv: it is not read, unless data.links names it; remove it if it "
            "is not needed",
        ]


def test_parts_and_wholes_that_are_not_read_are_named(tmp_path, caplog):
    parts = {f"a__{part}__inter": INTER for part in ("train", "valid", "test")}
    folder = write(tmp_path / "rb", a__inter=INTER, **parts)
    read(folder, duplicates="first")
    assert f"{folder}/a.inter: it is not read: its parts are" in caplog.text
    caplog.clear()
    read(folder, benchmark=None)
    assert "a.train.inter, a.valid.inter: it is not read: it is a part" in caplog.text
