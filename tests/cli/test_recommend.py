"""``micrec recommend``: files in, lists out; what is wrong is told by its place."""

import io
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.inference.recommender import load

GOLDEN = Path(__file__).parent.parent / "inference" / "golden_format_1"
READ = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}


@pytest.fixture(scope="module")
def rec():
    return load(GOLDEN)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_all_users_in_every_format(micrec, rec, tmp_path, ending, monkeypatch, capsys):
    monkeypatch.setattr("micrec_pyg.cli.recommend.USERS_AT_ONCE", 5)
    output = tmp_path / f"lists{ending}"
    command = ["recommend", GOLDEN, "--all", "-k", 3, "--domain", "food"]
    assert micrec(*command, "--output", output) == 0
    expected = rec.recommend(users=rec.users("food"), domain="food", k=3)
    found = READ[ending](output)
    assert found["user"].to_list() == expected["user"].to_list()
    assert found["item"].to_list() == expected["item"].to_list()
    assert found["reason"].to_list() == expected["reason"].to_list()
    assert found["title"].to_list() == expected["title"].to_list()
    scores = expected["score"].to_list()
    assert found["score"].to_list() == pytest.approx(scores, abs=1e-6)
    assert [*tmp_path.iterdir()] == [output]
    told = capsys.readouterr().out
    assert told == f"{output}: {len(scores)} rows, lists of 24 people in food\n"


def test_users_and_items_of_files_to_stdout(micrec, rec, file, capsys):
    users = file("user\nu7\nu1\nu7\n", "users.csv")
    items = file("item\nfood1\nfood2\nfood3\n", "items.tsv")
    command = ["recommend", GOLDEN, "--users", users, "--domain", "food"]
    assert micrec(*command, "--items", items, "--keep-seen") == 0
    found = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert found["user"].to_list() == ["u7"] * 3 + ["u1"] * 3
    assert {*found["item"]} == {"food1", "food2", "food3"}


def test_people_by_their_history_alone(micrec, rec, file, capsys):
    history = file("user,item,domain\nann,food1,food\nbob,,\nann,kitchen2,kitchen\n")
    command = ["recommend", GOLDEN, "--history", history, "--domain", "kitchen"]
    assert micrec(*command, "-k", 2) == 0
    found = pl.read_csv(io.StringIO(capsys.readouterr().out))
    mine = {"food": ["food1"], "kitchen": ["kitchen2"]}
    ann = rec.recommend(history=mine, domain="kitchen", k=2)
    bob = rec.recommend(history={}, domain="kitchen", k=2)
    assert found["user"].to_list() == ["ann", "ann", "bob", "bob"]
    assert found["item"].to_list() == [*ann["item"], *bob["item"]]
    assert found["reason"].to_list() == [*ann["reason"], *bob["reason"]]


def test_new_items_and_interactions_come_first(micrec, tmp_path, file, capsys):
    items = tmp_path / "new.parquet"
    table = {"item": ["new1"], "text": [[1.0, 0.5, -1.0, 0.0, 0.0, 2.0]]}
    pl.DataFrame(table).write_parquet(items)
    more = file("user,item\nzoe,new1\nzoe,food2\n", "more.csv")
    users = file("user\nzoe\n", "users.csv")
    command = ["recommend", GOLDEN, "--users", users, "--domain", "food", "-k", 30]
    # a file of users is read after the additions
    added = ["--new-items", items, "--new-interactions", more]
    assert micrec(*command, *added) == 0
    found = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert {*found["user"]} == {"zoe"}
    assert {*found["reason"]} <= {"history", "content"}
    assert not {"new1", "food2"} & {*found["item"]}


def test_ids_on_stdout_are_those_of_the_file(micrec, file, tmp_path, capsysbinary):
    history = file("user,item,domain\n\u200eann,food1,food\n\u200eb\u202e,food2,food\n")
    command = ["recommend", GOLDEN, "--history", history, "--domain", "food", "-k", 2]
    assert micrec(*command) == 0
    shown = capsysbinary.readouterr().out
    assert micrec(*command, "--output", tmp_path / "lists.csv") == 0
    assert shown == (tmp_path / "lists.csv").read_bytes()
    assert "\n\u200eb\u202e,1,".encode() in shown


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize(
    "asked", [("--users", "user\n"), ("--history", "user,item,domain\n")]
)
def test_of_nobody_there_is_a_table_without_rows(
    micrec, file, tmp_path, ending, asked, capsys
):
    option, text = asked
    output = tmp_path / f"lists{ending}"
    command = ["recommend", GOLDEN, option, file(text), "--domain", "food"]
    assert micrec(*command, "--output", output) == 0
    assert capsys.readouterr().out == f"{output}: 0 rows, lists of 0 people in food\n"
    if ending == ".jsonl":
        assert output.read_text() == ""
        return
    assert READ[ending](output).columns == [
        *("user", "rank", "item", "score", "title", "reason")
    ]
    assert micrec(*command) == 0
    assert capsys.readouterr().out == "user,rank,item,score,title,reason\n"


def test_a_closed_stdout_needs_a_file(micrec, monkeypatch, capsys):
    with open(os.devnull, "w") as closed:  # as whole_streams leaves it
        monkeypatch.setattr(sys, "stdout", closed)
        assert micrec("recommend", GOLDEN, "--all", "--domain", "food") == 2
    assert "stdout is closed; give --output FILE" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_behind_stdout_is_told(micrec, monkeypatch, capsys):
    full = open("/dev/full", "w")
    monkeypatch.setattr(sys, "stdout", full)
    assert micrec("recommend", GOLDEN, "--all", "--domain", "food") == 1
    with suppress(OSError):  # what it still holds
        full.close()
    assert "micrec: stdout: the disk is full; make room" in capsys.readouterr().err


def test_who_reads_stdout_may_go(micrec, monkeypatch, capsys):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert micrec("recommend", GOLDEN, "--all", "--domain", "food") == 1
    said = "micrec: what read the output has closed it"
    assert capsys.readouterr().err.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("option", "text", "sentence"),
    [
        (
            "--users",
            "user\nu1\nu99\n",
            "line 3, column 'user': got 'u99', which the",
        ),
        ("--users", "id\nu1\n", "line 1: column user is missing; found: id"),
        ("--users", "user,x\nu1,a\n,b\n", "line 3, column 'user': got an empty"),
        (
            "--items",
            "item\nfood99\n",
            "line 2, column 'item': got 'food99', which",
        ),
        (
            "--history",
            "user,item,domain\na,food1,food\na,food1,kitchen\n",
            "line 3, column 'item': got 'food1', which kitchen does not have",
        ),
        (
            "--history",
            "user,item,domain\na,food1,fod\n",
            "line 2, column 'domain': got 'fod', needed: one of food, kitchen",
        ),
        (
            "--history",
            "user,item,domain\na,food1,\n",
            "line 2, column 'domain': got",
        ),
        (
            "--new-items",
            "item,text\nfood1,x\n",
            "column 'item': got 'food1', which",
        ),
        ("--new-items", "item\nx\nx\n", "line 3, column 'item': got 'x', which"),
        (
            "--new-interactions",
            "user,item\na,b\n",
            "line 2, column 'item': got 'b'",
        ),
        (
            "--new-interactions",
            "user,item,domain\na,food1,food\na,food1,kitchen\n",
            "line 3, column 'item': got 'food1', which kitchen does not have",
        ),
        (
            "--new-interactions",
            "user,item,domain\na,food1,\n",
            "line 2, column 'domain': got an empty field, needed: one of food, kitchen",
        ),
    ],
)
def test_a_fault_is_told_by_its_place(micrec, file, capsys, option, text, sentence):
    path = file(text)
    asked = [] if option in ("--users", "--history") else ["--all"]
    command = ["recommend", GOLDEN, *asked, option, path, "--domain", "food"]
    assert micrec(*command) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"micrec: {path}, line ")
    assert sentence in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--domain", "foo"], "--domain: 'foo' was given; give one of food, kitchen"),
        ([], "--domain: it is missing; give one of food, kitchen"),
        (["--domain", "food", "-k", "0"], "-k 0: give 1 or more"),
        (["--domain", "food", "--output", "a.txt"], "ends in .parquet, .csv or .jsonl"),
        (["--domain", "food", "--users", "gone.csv"], "gone.csv: it cannot be read"),
    ],
)
def test_an_impossible_command_is_refused(micrec, capsys, arguments, sentence):
    who = [] if "--users" in arguments else ["--all"]
    assert micrec("recommend", GOLDEN, *who, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_new_items_that_cannot_be_used_are_told_by_their_file(micrec, file, capsys):
    items = file("item,price\nnew1,3\n", "new.csv")
    command = ["recommend", GOLDEN, "--all", "--domain", "food", "--new-items", items]
    assert micrec(*command) == 2
    said = f"{items}: items: column price cannot be used; leave it out: domain food has"
    assert said in capsys.readouterr().err


def test_a_folder_of_something_else_is_refused(micrec, tmp_path, capsys):
    assert micrec("recommend", tmp_path, "--all") == 2
    assert "is no artefact and no finished run" in capsys.readouterr().err


STOCK = """item,category,stock
food1,tea,yes
food2,tea,no
food3,rice,yes
food4,milk,yes
"""


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["category=tea"], {"food1", "food2"}),
        (["category=tea", "category=rice"], {"food1", "food2", "food3"}),
        (["category=tea", "category=rice", "stock=yes"], {"food1", "food3"}),
    ],
)
def test_a_column_of_the_items_chooses(micrec, file, capsys, where, expected):
    users, items = file("user\nu1\n", "users.csv"), file(STOCK, "items.csv")
    command = ["recommend", GOLDEN, "--users", users, "--domain", "food"]
    chosen = [part for each in where for part in ("--where", each)]
    assert micrec(*command, "--items", items, "--keep-seen", *chosen) == 0
    found = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert {*found["item"]} == expected


def test_a_cell_may_be_a_list_of_values(micrec, tmp_path, file, capsys):
    users, items = file("user\nu1\n", "users.csv"), tmp_path / "items.parquet"
    tags = [["tea", "hot "], ["tea"], [], None]
    table = pl.DataFrame({"item": [f"food{n}" for n in range(1, 5)], "tags": tags})
    table = table.with_columns(
        number=pl.lit(3),
        sizes=pl.Series([[38, 39], [38, 40], [41, None], None], dtype=pl.Array(int, 2)),
        day=pl.date(2026, 1, 31),
        deep=pl.lit([[1]]),
        lasts=pl.duration(days=1),
        code=pl.lit(b"a"),
    )
    table.write_parquet(items)
    command = ["recommend", GOLDEN, "--users", users, "--domain", "food"]
    command += ["--items", items, "--keep-seen", "--where"]
    for where, expected in (
        ("tags=tea", {"food1", "food2"}),
        ("tags=hot", {"food1"}),
        ("number=3", {*table["item"]}),
        ("sizes=38", {"food1", "food2"}),
        ("day=2026-01-31", {*table["item"]}),
    ):
        assert micrec(*command, where) == 0
        found = pl.read_csv(io.StringIO(capsys.readouterr().out))
        assert {*found["item"]} == expected
    assert micrec(*command, "tags=cold") == 2
    assert "no row of" in capsys.readouterr().err
    for column, kind in (("deep", "List"), ("lasts", "Duration"), ("code", "Binary")):
        assert micrec(*command, f"{column}=1") == 2
        told = capsys.readouterr().err
        assert f"--where {column}=...: {items} has {kind}" in told
        assert "give a column of texts, numbers, dates or truth values, or of" in told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--where", "category=tea"], "--where category=tea: give --items FILE"),
        (["--items", "none.csv"], "none.csv: it has no rows; give one per item"),
        (["--items", "items.csv", "--where", "tea"], "--where tea: give COLUMN=VALUE"),
        (
            ["--items", "items.csv", "--where", "kind=tea"],
            "has the columns item, category, stock",
        ),
        (
            ["--items", "items.csv", "--where", "category=car"],
            "no row of .* has that; there are milk, rice, tea",
        ),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(
    micrec, file, capsys, tmp_path, monkeypatch, more, told
):
    file("user\nu1\n", "users.csv"), file(STOCK, "items.csv")
    file("item\n", "none.csv")
    monkeypatch.chdir(tmp_path)
    command = ["recommend", GOLDEN, "--users", "users.csv", "--domain", "food"]
    assert micrec(*command, *more) == 2
    assert re.search(told, capsys.readouterr().err)


def test_a_file_with_another_delimiter_is_told_the_right_one(micrec, file, capsys):
    people = file("user;item;domain\nann;food1;food\n")
    command = ["recommend", GOLDEN, "--history", people, "--domain", "food"]
    assert micrec(*command) == 2
    assert "separated by semicolons: use commas" in capsys.readouterr().err
