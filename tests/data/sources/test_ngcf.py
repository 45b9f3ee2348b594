"""NGCF's layout: a line is a user and their items."""

import random
import re

import pytest
from reference.raw import pairs
from reference.reading import READING

from micrec_pyg.data.sources.ngcf import NGCF
from micrec_pyg.data.splits.at_random import ready
from micrec_pyg.schema import InputError

TRAIN = "0 1 2 03\n1 2 \n2\n\n7 0\t4 5\n"
PAIRS = [("0", "1"), ("0", "2"), ("0", "3"), ("1", "2"), ("7", "0"), ("7", "4")]
PAIRS += [("7", "5")]


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "train.txt").write_text(TRAIN)
    (folder / "test.txt").write_text("1 5\n0 4 5")
    return folder


def read(folder, **options):
    default = {**READING, "val_share": 0.1, "duplicates": "first", "text_fields": []}
    root = str(folder.parent / "data")
    return NGCF.read(root=root, path=str(folder), **{**default, **options})


def parts(folder, **options):
    (catalogue,) = read(folder, **options).values()
    data = catalogue.interactions
    found = {0: set(), 1: set(), 2: set()}
    for pair, part in zip(pairs(data), data.part.tolist(), strict=True):
        found[part].add(pair)
    return found


def test_the_files_are_a_ready_split(shop):
    (shop / "val.txt").write_text("2 1\n")
    found = parts(shop)
    assert found == {
        0: set(PAIRS),
        1: {("2", "1")},
        2: {("1", "5"), ("0", "4"), ("0", "5")},
    }
    ((name, catalogue),) = read(shop).items()
    assert name == "shop"
    assert set(catalogue.sources) >= {"train.txt", "val.txt", "test.txt"}
    assert ready({name: catalogue})[name].test.shape[1] == 3


def test_without_a_validation_file_a_share_of_the_training_pairs_is_drawn(shop):
    rng = random.Random(0)
    lines = [[str(u), *map(str, rng.sample(range(200), 20))] for u in range(100)]
    every = {(user, item) for user, *items in lines for item in items}
    (shop / "train.txt").write_text("\n".join(" ".join(line) for line in lines))
    (shop / "test.txt").write_text("0 500\n")
    found = parts(shop, val_share=0.2)
    assert found[0] | found[1] == every
    assert not found[0] & found[1]
    assert abs(len(found[1]) / len(every) - 0.2) < 0.03
    assert len({user for user, _ in found[1]}) > 80  # of all users, not some
    turned = [[user, *reversed(items)] for user, *items in reversed(lines)]
    (shop / "train.txt").write_text("\n".join(" ".join(line) for line in turned))
    assert parts(shop, val_share=0.2) == found
    assert parts(shop, val_share=0)[1] == set()


def test_a_pair_of_train_and_test_is_told_and_stays_in_train(shop):
    (shop / "test.txt").write_text("0 1 9\n")
    (catalogue,) = read(shop, val_share=0).values()
    assert catalogue.dropped["duplicates"] == 1
    found = parts(shop, val_share=0)
    assert ("0", "1") in found[0]
    assert found[2] == {("0", "9")}
    with pytest.raises(InputError, match="duplicates"):
        read(shop, duplicates="error")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"0 1\n1 B01\n2 x\n", "line 2: got '1 B01', needed: a user and items"),
        (b"user item\n0 1\n", "line 1: got 'user item'"),
        (b"0 1\n\n1 2.5\n", "line 3: got '1 2.5'"),
        (b"0 -1\n", "line 1: got '0 -1'"),
        (b"0 1\n\xff\xfe\n", "train.txt: it cannot be read"),
    ],
)
def test_a_fault_is_refused_with_its_line(shop, text, fault):
    (shop / "train.txt").write_bytes(text)
    with pytest.raises(InputError, match=re.escape(fault)):
        read(shop)
    assert not list((shop.parent / "data" / "processed").glob("ngcf*"))


def test_what_is_missing_is_named(shop):
    with pytest.raises(InputError, match="val_share=1"):
        read(shop, val_share=1)
    (shop / "test.txt").unlink()
    with pytest.raises(InputError, match=r"test\.txt: no such file; give a folder"):
        read(shop)


def table_lines(width, *, seed=0):
    """Return rows of user, item, rating, time: 20 users with five rows each."""
    rng = random.Random(seed)
    rows = [
        (user, rng.randrange(100, 140), rng.randint(1, 5), 10**9 + rng.randrange(10**6))
        for user in range(20)
        for _ in range(5)
    ]
    rng.shuffle(rows)
    return "\n".join(" ".join(map(str, row[:width])) for row in rows)


@pytest.mark.parametrize(("width", "names"), [(3, "rating)"), (4, "timestamp)")])
@pytest.mark.parametrize("damage", ["", "\n7 101"])
def test_rows_of_a_table_are_no_lists_of_items(shop, width, names, damage):
    # a rating would become an item
    (shop / "train.txt").write_text(table_lines(width) + damage)
    with pytest.raises(InputError) as caught:
        read(shop)
    message = str(caught.value)
    assert "train.txt" in message
    assert f"100 of {100 + bool(damage)} lines hold {width} numbers" in message
    assert "20 of 20 users stand in several lines" in message
    assert names in message
    assert "data=tables" in message


def test_rows_of_a_user_and_an_item_are_lists_of_one(shop):
    (shop / "train.txt").write_text(table_lines(2))
    found = parts(shop, val_share=0)
    lines = table_lines(2).splitlines()
    assert found[0] == {tuple(line.split()) for line in lines}


def test_lists_of_one_length_are_lists(shop):
    (shop / "train.txt").write_text("0 1 2\n1 2 5\n2 1 3\n2 4 5\n")
    found = parts(shop, val_share=0)
    assert found[0] >= {("2", "3"), ("2", "4"), ("1", "5")}


def test_what_is_not_read_is_named_at_every_reading(shop, caplog):
    (shop / "item_list.txt").write_text("org_id remap_id\n")
    (shop / "valid.txt").write_text("0 7\n")
    for _ in range(2):
        caplog.clear()
        read(shop)
        told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert [each.removeprefix(f"{shop}/") for each in told] == [
            "item_list.txt: it is not read: nothing of this name is known here; remove "
            "it if it is not needed",
            "valid.txt: it is not read; did you mean 'val.txt'? Then rename it",
        ]


def test_a_share_of_the_pairs_leaves_every_user_one(shop):
    one = "".join(f"{user} {user % 7}\n" for user in range(200))
    twice = "".join(f"{user} 1 1\n" for user in range(200, 300))
    (shop / "train.txt").write_text(one + twice)
    found = parts(shop, val_share=0.9)
    assert {user for user, _ in found[0]} >= {str(user) for user in range(300)}
    assert found[1] == set()
    (shop / "train.txt").write_text("".join(f"{u} 1 2 3 4\n" for u in range(100)))
    found = parts(shop, val_share=0.9)
    assert len({user for user, _ in found[0]}) == 100
    assert 250 < len(found[1]) < 300
