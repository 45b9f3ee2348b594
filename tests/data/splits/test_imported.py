"""Train, valid and test files of a ready split."""

import polars as pl
import pytest
from reference.splits import make_domain, part_of

from micrec_pyg.data.splits.imported import files
from micrec_pyg.schema import InputError

PAIRS = {
    "train": [(0, 0), (0, 1), (1, 1)],
    "valid": [(0, 2), (2, 0)],
    "test": [(1, 2), (2, 1)],
}
NAMES = {"train": "train", "valid": "val", "test": "test"}


def write(folder, stem, pairs, suffix="tsv"):
    folder.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame(
        {
            "item": [f"i{i}" for _, i in pairs],  # the order of columns is free
            "user": [f"u{u}" for u, _ in pairs],
            "note": ["x"] * len(pairs),
        },
        schema={"item": pl.String, "user": pl.String, "note": pl.String},
    )
    path = folder / f"{stem}.{suffix}"
    if suffix == "parquet":
        table.write_parquet(path)
    elif suffix == "jsonl":
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if suffix == "tsv" else ",")


@pytest.fixture
def domains():
    pairs = [pair for part in PAIRS.values() for pair in part]
    return {"d": make_domain(sorted(pairs, reverse=True), 3, 4)}


@pytest.fixture
def folder(tmp_path):
    for stem, pairs in PAIRS.items():
        write(tmp_path / "d", stem, pairs)
    return tmp_path / "d"


def refused(domains, folder, match):
    with pytest.raises(InputError, match=match):
        files(domains, path=str(folder.parent))


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "jsonl"])
def test_files_are_taken_as_they_are(domains, tmp_path, suffix):
    for stem, pairs in PAIRS.items():
        write(tmp_path / "d", stem, pairs, suffix)
    split = files(domains, path=str(tmp_path))["d"]
    assert part_of(split) == {
        pair: NAMES[stem] for stem, pairs in PAIRS.items() for pair in pairs
    }
    assert split.seen_user.tolist() == [True, True, False]
    assert split.seen_item.tolist() == [True] * 4
    assert split.support.shape == split.silent.shape == (2, 0)


def test_a_missing_file_or_column_is_named(domains, folder):
    (folder / "valid.tsv").unlink()
    refused(domains, folder, r"no valid.\(tsv\|csv.*needed are train, valid, test")
    (folder / "valid.tsv").write_text("user\tthing\nu0\ti2\n")
    refused(domains, folder, r"valid.tsv.*column item is missing")


def test_a_pair_that_stands_twice_is_shown_with_its_line(domains, folder):
    write(folder, "test", [*PAIRS["test"], (0, 1)])
    refused(domains, folder, r"test.tsv, line 4: user 'u0' with item 'i1' stands in")
    write(folder, "test", [(1, 2), (1, 2), (2, 1)])
    refused(domains, folder, r"test.tsv, line 3: user 'u1' with item 'i2' stands in")


def test_a_pair_that_is_not_in_the_data_is_shown_with_its_line(domains, folder):
    write(folder, "valid", [(0, 2), (9, 9), (2, 0), (0, 3)])
    refused(
        domains,
        folder,
        r"valid.tsv, line 3: user 'u9' with item 'i9' is not in the data.*2 such rows",
    )


def test_an_interaction_that_no_file_has_is_named(domains, folder):
    write(folder, "train", PAIRS["train"][:2])
    refused(domains, folder, r"user 'u1' with item 'i1', no file has \(1 such pairs\)")


def test_a_split_without_training_is_refused(domains, folder):
    write(folder, "train", [])
    write(folder, "test", [*PAIRS["test"], *PAIRS["train"]])
    refused(domains, folder, r"'d': no training edge.*no row in its train file")


def test_what_is_not_read_is_named(domains, folder, caplog):
    files(domains, path=str(folder.parent))
    assert caplog.messages == []
    write(folder, "support", [(1, 2)])
    write(folder.parent / "kitchen", "train", [(0, 0)])
    files(domains, path=str(folder.parent))
    told = [each.removeprefix(f"{folder.parent}/") for each in caplog.messages]
    assert told == [
        "kitchen: it is not read: no domain of the data is called so",
        "d/support.tsv: it is not read: nothing of this name is known here; "
        "remove it if it is not needed",
    ]


def test_what_belongs_to_the_data_is_not_named(domains, folder, caplog):
    write(folder, "interactions", [(0, 0)])
    files(domains, path=str(folder.parent))
    assert caplog.messages == []
