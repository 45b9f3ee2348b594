"""One folder divided into several domains by a column."""

import polars as pl
import pytest
from reference.raw import by_item, ids, pairs

from micrec_pyg.data.catalogue.divide_items import ItemSplit, divide_items
from micrec_pyg.data.catalogue.domain_folder import read_domain_folder
from micrec_pyg.data.sources import Tables
from micrec_pyg.schema import InputError

GENRES = {
    "1": "Action|Comedy",
    "2": "Comedy",
    "3": "",
    "4": "War | Drama",
    "5": "Action",
}


def read(path, division):
    return Tables.read(
        path=str(path),
        domains=None,
        columns=None,
        text_fields=["genres"],
        text_sep=" ",
        rating_min=None,
        duplicates="error",
        filters=None,
        links=None,
        split_by=division,
    )


def split(**domains):
    return {"field": "genres", "sep": "|", "domains": domains}


@pytest.fixture
def movies(tmp_path):
    folder = tmp_path / "movies"
    folder.mkdir()
    lines = [f"{item}\t{genres}" for item, genres in GENRES.items()]
    (folder / "items.tsv").write_text("item\tgenres\n" + "\n".join(lines) + "\n")
    # item 6 is not in the items table; nobody touched item 5
    edges = ["u\t1", "u\t2", "v\t3", "v\t4", "w\t2", "u\t6"]
    (folder / "interactions.tsv").write_text("user\titem\n" + "\n".join(edges) + "\n")
    return tmp_path


def content(catalogue):
    return ids(catalogue)[1], set(pairs(catalogue.interactions))


def test_listed_values_and_the_rest(movies):
    parts = read(movies, split(A=["Action", "War"], B=None))
    assert list(parts) == ["A", "B"]
    assert content(parts["A"]) == (["1", "4", "5"], {("u", "1"), ("v", "4")})
    rest = {("u", "2"), ("v", "3"), ("w", "2"), ("u", "6")}
    assert content(parts["B"]) == (["2", "3", "6"], rest)
    text = by_item(parts["A"], parts["A"].content["text"])
    assert text == {"1": "Action|Comedy", "4": "War | Drama", "5": "Action"}
    assert parts["A"].digest != parts["B"].digest


def test_the_first_domain_that_lists_a_value_takes_the_item(movies):
    parts = read(movies, split(B=["Comedy"], A=["Action", "War"]))
    assert content(parts["B"])[0] == ["1", "2"]
    assert content(parts["A"])[0] == ["4", "5"]
    # items 3 and 6 and an edge of each belong nowhere
    assert parts["A"].dropped["items_in_no_domain"] == 2
    assert parts["A"].dropped["interactions_in_no_domain"] == 2
    turned = read(movies, split(A=["Action", "War"], B=["Comedy"]))
    assert content(turned["A"])[0] == ["1", "4", "5"]
    assert turned["A"].digest != parts["A"].digest


def test_counts_of_items_are_of_the_items_of_a_domain(movies):
    facts = ["2\tr\tx", "2\tr\tx", "4\tr\tx", "9\tr\tx"]
    text = "\n".join(["item\trelation\tentity", *facts, ""])
    (movies / "movies/kg.tsv").write_text(text)
    parts = read(movies, split(A=["Action", "War"], B=None))
    found = {name: dict(part.dropped) for name, part in parts.items()}
    for name, missing, repeated in (("A", 0, 0), ("B", 1, 1)):
        assert found[name]["items_missing_from_items_table"] == missing
        assert found[name]["repeated_facts"] == repeated
        assert found[name]["facts_of_unknown_items_of_whole_folder"] == 1
        assert "facts_of_unknown_items" not in found[name]


def test_without_a_separator_a_cell_is_one_value(movies):
    parts = read(movies, {**split(A=["War | Drama"], B=None), "sep": None})
    assert content(parts["A"])[0] == ["4"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("sep", ["|", None])
def test_of_a_list_every_element_is_a_value(movies, suffix, sep):
    division = split(A=["Action", "War"], B=None)
    whole = {name: content(part) for name, part in read(movies, division).items()}
    path = movies / "movies/items.tsv"
    cells = [[g.strip() for g in cell.split("|") if g] for cell in GENRES.values()]
    frame = pl.DataFrame({"item": [*GENRES], "genres": cells})
    frame = frame.with_columns(
        year=pl.lit(1999), code=pl.Series([[1, 2], [3], [], None, [4]])
    )
    path.unlink()
    write_to = {"jsonl": frame.write_ndjson, "parquet": frame.write_parquet}
    write_to[suffix](path.with_suffix(f".{suffix}"))
    parts = read(movies, {**division, "sep": sep})
    assert {name: content(part) for name, part in parts.items()} == whole
    text = by_item(parts["A"], parts["A"].content["text"])
    assert text == {"1": "Action Comedy", "4": "War Drama", "5": "Action"}
    # of an earlier version, which divided otherwise, nothing cached may be taken
    folder = read_domain_folder(movies / "movies", need_rating=False, columns=None)
    for field, same in (("genres", False), ("year", True)):
        every = ItemSplit(field, sep, {"all": None})
        assert (divide_items(folder, every)["all"].digest == folder.digest) == same
    numbers = {**split(A=[3, 4], B=None), "field": "code", "sep": sep}
    assert content(read(movies, numbers)["A"])[0] == ["2", "5"]
    with pytest.raises(
        InputError, match=r"'A' gets no item.*holds Action, Comedy, Dra"
    ):
        read(movies, {**split(A=["Opera"], B=None), "sep": sep})


def test_two_folders_keep_their_names(movies):
    (movies / "movies").rename(movies / "old")
    copy = movies / "new"
    copy.mkdir()
    for file in (movies / "old").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    parts = read(movies, split(A=["Action"], B=None))
    assert list(parts) == ["new_A", "new_B", "old_A", "old_B"]


@pytest.mark.parametrize(
    ("division", "fault"),
    [
        ({"field": "genres"}, "needed: field, sep, domains"),
        ({"field": "genre", "sep": "|", "domains": {"A": None}}, "found: item, genres"),
        (split(A=["Opera"], B=None), r"'A' gets no item.*holds .*Action"),
        (split(A=None, B=None), "only one domain can be the rest"),
        (split(A="Action", B=None), "needs a list"),
        (split(), "must map names"),
        ({**split(A=["Action"]), "sep": ""}, "sep a text or null"),
    ],
)
def test_impossible_divisions_are_refused(movies, division, fault):
    with pytest.raises(InputError, match=fault):
        read(movies, division)
