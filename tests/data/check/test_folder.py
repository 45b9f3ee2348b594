"""What the check warns of, and that it agrees with the reader."""

import contextlib
import os
import socket

import polars as pl
import pytest
from PIL import Image, ImageOps
from reference.malformed import OPTIONS

from micrec_pyg.data.check.folder import check
from micrec_pyg.data.sources import Tables
from micrec_pyg.schema import InputError

LENIENT = {**OPTIONS, "rating_min": None}


def shop(folder, **domains):
    """Write a folder per domain: {file: lines}."""
    for name, files in domains.items():
        for file, lines in files.items():
            path = folder / name / f"{file}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([*lines, ""]))
    return folder


def warnings(folder, limit=50, **options):
    problems = check(str(folder), limit=limit, options={**LENIENT, **options})
    assert problems.errors == 0
    Tables.read(path=str(folder), **{**LENIENT, **options})
    return [str(problem).removeprefix(f"{folder}/") for problem in problems.found]


GOOD = ["user\titem", "a\tx", "b\ty", "a\ty"]


def test_a_good_domain_has_no_warning(tmp_path):
    assert warnings(shop(tmp_path, d={"interactions": GOOD})) == []


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (
            ["user\titem", "a\tx", "a\tx", "b\ty"],
            "1 rows repeat a pair, such as user 'a'",
        ),
        (["user\titem", "a\tx", "a\ty"], "there is only one user, 'a'"),
        (["user\titem", "a\tx", "b\tx"], "there is only one item, 'x'"),
        (["user\titem", "a \tx", "b\ty"], "1 rows have blanks around the user id"),
        (["user\titem", "a\tx", "b\ta"], "1 user ids look like items, such as 'a'"),
        (["userId\titem", "a\tx", "b\ty"], "taken as the user (a guess"),
        (
            ["user\titem", *(f"robot\ti{k}" for k in range(80)), *GOOD[1:]]
            + [f"u{k}\tx" for k in range(40)],
            "user 'robot' has 80 of 123 rows",
        ),
        (
            ["user\titem", *(f"row{k}\ti{k % 9}" for k in range(120))],
            "no user has more than one item",
        ),
        (
            ["user\titem\ttimestamp", "a\tx\t1", "b\ty\t1400000000"],
            "1 timestamps are before 1995, the first 1970-01-01",
        ),
        (
            ["user\titem\ttimestamp", "a\tx\t4000000000", "b\ty\t1400000000"],
            "1 timestamps are in the future",
        ),
        (
            ["user\titem\ttimestamp", "a\tx\t1400000000", "b\ty\t1400000000"],
            "all timestamps are the same",
        ),
        (
            ["user\titem\ttimestamp", "a\tx\t1400000000000", "b\ty\t1400000001000"],
            "milliseconds since 1970 by their size",
        ),
        (
            ["user\titem\tx_label", "a\tx\t0", "b\ty\t0", "b\tx\t2"],
            "no row has x_label 1 (validation)",
        ),
    ],
)
def test_what_is_odd_in_interactions(tmp_path, lines, warning):
    found = warnings(shop(tmp_path, d={"interactions": lines}))
    assert len(found) == 1
    assert found[0].startswith("d/interactions.tsv")
    assert warning in found[0]


@pytest.mark.parametrize(
    ("items", "warning"),
    [
        (
            ["item\ttitle", "x\tTea", "y\tCof\ufffde"],
            "'title': 1 texts hold the character",
        ),
        (["item\ttitle", "x\tTea", f"y\t{'a' * 100_001}"], "a text has 100,001 char"),
        (["item\ttitle", "x\t", "y\t"], "column 'title' is empty"),
        (["item\ttitle", "x\tTea"], "1 items are not in the items table"),
        (["item\ttitle", "a\tTea", "b\tCoffee"], "most users, and no item, are in"),
    ],
)
def test_what_is_odd_in_items(tmp_path, items, warning):
    found = warnings(shop(tmp_path, d={"interactions": GOOD, "items": items}))
    assert any(warning in each for each in found)


def test_titles_that_are_numbers_alone_are_named_unless_they_are_asked_for(tmp_path):
    items = ["item\ttitle\tyear", "x\t1984\t1949", "y\t300\t2006"]
    found = warnings(shop(tmp_path, d={"interactions": GOOD, "items": items}))
    assert found == [
        "d/items.tsv, column 'title': its name is that of a text, but it holds numbers "
        "alone, so it is none; data.text_fields=[title] reads it as a text all the same"
    ]
    assert warnings(tmp_path, text_fields=["title"]) == []


def test_ids_that_two_domains_share(tmp_path):
    one = {"interactions": GOOD, "items": ["item\ttitle", "x\tRed tea", "y\tPan"]}
    two = {
        "interactions": ["user\titem", "q\tx", "r\ty"],
        "items": ["item\ttitle", "x\tGreen tea", "y\tPan"],
    }
    found = warnings(shop(tmp_path, one=one, two=two))
    assert len(found) == 3
    assert (
        "1 item ids in common with different texts, such as 'x': 'Red tea'" in found[0]
    )
    assert "1 items in common, such as 'y'" in found[1]
    assert "no user id in common" in found[2]
    (tmp_path / "who.tsv").write_text("one\ttwo\na\tq\n")
    assert len(warnings(tmp_path, links=["who.tsv"])) == 2


@pytest.mark.parametrize("order", [["item", "title"], ["title", "item"]])
def test_the_place_of_the_column_of_ids_changes_no_warning(tmp_path, order):
    title = {"one": "Apple \ufffd pie", "two": "Steel pan"}
    for name, text in title.items():
        cells = {"item": "x", "title": text}
        lines = ["\t".join(order), "\t".join(cells[each] for each in order)]
        files = {"interactions": ["user\titem", "a\tx"], "items": lines}
        shop(tmp_path, **{name: files})
    found = warnings(tmp_path)
    assert any("column 'title': 1 texts hold the character U+FFFD" in f for f in found)
    assert any("different texts, such as 'x': 'Apple" in each for each in found)


def test_blanks_are_no_other_text_than_none(tmp_path):
    one = {"interactions": GOOD, "items": ["item\ttitle", "x\t", "y\tPan"]}
    two = {"interactions": ["user\titem", "q\tx"]}
    found = warnings(shop(tmp_path, one=one, two=two))
    assert not any("different texts" in each for each in found)


def test_an_image_that_cannot_be_turned_is_named(tmp_path, monkeypatch):
    def refuse(image):
        raise TypeError("bad field")

    shop(tmp_path, d={"interactions": GOOD})
    (tmp_path / "d/images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "d/images/x.jpg")
    monkeypatch.setattr(ImageOps, "exif_transpose", refuse)
    found = warnings(tmp_path)
    assert any("images, x.jpg: cannot be shown (bad field)" in each for each in found)


def test_images_that_are_damaged_or_missing(tmp_path):
    shop(tmp_path, d={"interactions": [*GOOD, "b\tz"]})
    folder = tmp_path / "d/images"
    folder.mkdir()
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    noise.save(folder / "x.jpg")
    whole = (folder / "x.jpg").read_bytes()
    (folder / "y.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "stranger.png").write_bytes(b"no image")
    found = warnings(tmp_path)
    assert any("images, y.jpg: cannot be shown" in each for each in found)
    assert any("images, stranger.png: cannot be shown" in each for each in found)
    assert not any("x.jpg" in each for each in found)
    assert any("1 of 3 items have no image, such as 'z'" in each for each in found)
    assert any("1 images are of items that no table has" in each for each in found)


def test_vectors_of_strange_items(tmp_path):
    shop(tmp_path, d={"interactions": GOOD})
    frame = pl.DataFrame({"item": ["x", "stranger"], "vector": [[1.0], [2.0]]})
    frame.write_parquet(tmp_path / "d/audio.parquet")
    assert "1 vectors are of items that no table has" in warnings(tmp_path)[0]


def test_errors_of_all_files_and_domains_are_listed(tmp_path):
    bad = {
        "interactions": ["user\titem\torder", "a\tx\tone", "\ty\t2", "b\tnan\tthree"],
        "items": ["item\ttitle", "x\tTea", "x\tTea"],
    }
    shop(tmp_path, one=bad, two={**bad, "items": ["name", "x"]})
    problems = check(str(tmp_path), limit=2, options=LENIENT)
    # per domain: an empty user, a missing item, two orders; and one of the items
    assert problems.errors == 2 * 5
    interactions = tmp_path / "one/interactions.tsv"
    kept = [problem for problem in problems.found if problem.file == interactions]
    assert [problem.place for problem in kept] == ["line 3", "line 4"]
    assert problems.not_kept(interactions) == 2
    with pytest.raises(InputError, match="line 3, column 'user'"):
        Tables.read(path=str(tmp_path), **LENIENT)


def test_every_domain_without_rows_is_listed_and_is_not_said_to_lack_common_users(
    tmp_path,
):
    header = {"interactions": ["user\titem"]}
    wrong = {"interactions": ["user\titem", "\tx"]}  # has a row, and says so
    shop(tmp_path, one=header, two={"interactions": GOOD}, three=header, four=wrong)
    said = map(str, check(str(tmp_path), limit=9, options=LENIENT).found)
    found = [each.removeprefix(str(tmp_path)) for each in said]
    assert len(found) == 3
    assert found[0].startswith("/four/interactions.tsv, line 2, column 'user'")
    assert found[1].startswith(": domain 'one': its interactions have no rows; add")
    assert found[2].startswith(": domain 'three': its interactions have no rows; add")


@pytest.mark.parametrize("name", ["interactions.csv", "items.csv", "audio.parquet"])
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
def test_only_regular_files_are_opened(tmp_path, name, kind):
    shop(tmp_path, d={"interactions": GOOD, "items": ["item\ttitle", "x\tX"]})
    (tmp_path / "d" / name).with_suffix(".tsv").unlink(missing_ok=True)
    _special(tmp_path / "d" / name, kind)
    found = check(str(tmp_path), limit=9, options=LENIENT).found
    (error,) = [each for each in found if each.error]
    assert error.file == tmp_path / "d" / name
    assert "no regular file" in error.fault


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
def test_an_image_that_is_no_regular_file_is_named(tmp_path, kind):
    shop(tmp_path, d={"interactions": GOOD})
    (tmp_path / "d/images").mkdir()
    _special(tmp_path / "d/images/x.png", kind)
    found = warnings(tmp_path)
    assert any("images/x.png: it is no regular file" in each for each in found)


def _special(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
