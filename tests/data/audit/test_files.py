"""What the files repeat or swap before the reader settles it."""

import polars as pl
import pytest

from micrec_pyg.data.audit.files import check_dropped, check_folder
from micrec_pyg.data.files.tables import read_table
from micrec_pyg.data.sources import Tables

PAIRS = [(f"u{u}", f"i{(u * 7 + k) % 20}") for u in range(12) for k in range(4)]


def write(folder, pairs, *, suffix="tsv", labels=None, items=None, names=None):
    """Write a domain folder in one of the formats."""
    folder.mkdir(parents=True)
    user, item = names or ("user", "item")
    table = pl.DataFrame(pairs, schema=[user, item], orient="row")
    if labels is not None:
        table = table.with_columns(pl.Series("x_label", labels))
    path = folder / f"interactions.{suffix}"
    writers = {
        "tsv": lambda: table.write_csv(path, separator="\t"),
        "csv": lambda: table.write_csv(path),
        "parquet": lambda: table.write_parquet(path),
        "jsonl": lambda: table.write_ndjson(path),
    }
    writers[suffix]()
    if items is not None:
        pl.DataFrame({"item": items}).write_csv(folder / "items.csv")
    assert read_table(path) is not None
    return folder


def checked(folder, *, ready=False, columns=None):
    return list(check_folder(folder, columns, ready=ready))


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "jsonl"])
def test_clean_files(tmp_path, suffix):
    items = [f"i{n}" for n in range(25)]
    labels = [n % 3 for n in range(len(PAIRS))]
    folder = write(tmp_path / "a", PAIRS, suffix=suffix, items=items, labels=labels)
    assert checked(folder, ready=True) == []


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "jsonl"])
@pytest.mark.parametrize("labelled", [True, False])
def test_repeated_rows(tmp_path, suffix, labelled):
    pairs = [*PAIRS, PAIRS[0], PAIRS[0], PAIRS[5]]
    labels = [0] * len(pairs) if labelled else None
    folder = write(tmp_path / "a", pairs, suffix=suffix, labels=labels)
    (finding,) = checked(folder, ready=labelled)
    assert (finding.check, finding.error) == ("duplicates", False)
    assert finding.count == 2
    assert finding.examples == ("user u0, item i0", "user u1, item i8")


@pytest.mark.parametrize("ready", [True, False])
def test_a_pair_with_two_labels(tmp_path, ready):
    pairs, labels = [*PAIRS, PAIRS[3]], [0] * len(PAIRS) + [2]
    folder = write(tmp_path / "a", pairs, labels=labels)
    (finding,) = checked(folder, ready=ready)
    # the label counts only where it decides the split
    assert finding.check == ("overlap" if ready else "duplicates")
    assert finding.count == 1
    if ready:
        assert finding.examples == ("user u0, item i3: x_label 0 + 2",)


def test_mapped_columns(tmp_path):
    names = ("who", "what")
    folder = write(tmp_path / "a", [*PAIRS, PAIRS[0]], names=names)
    (finding,) = checked(folder, columns={"user": "who", "item": "what"})
    assert finding.check == "duplicates"


def test_exchanged_columns_beside_an_items_table(tmp_path):
    items = [f"i{n}" for n in range(25)]
    folder = write(tmp_path / "a", [(i, u) for u, i in PAIRS], items=items)
    (finding,) = checked(folder)
    assert (finding.check, finding.error) == ("swapped_columns", True)
    assert finding.count == 20


def test_exchanged_numbers_beside_an_items_table(tmp_path):
    # 12 users and 20 items, all of them numbers of the table
    pairs = [(i[1:], u[1:]) for u, i in PAIRS]
    folder = write(tmp_path / "a", pairs, items=[str(n) for n in range(20)])
    assert [finding.check for finding in checked(folder)] == ["swapped_columns"]
    right = [(b, a) for a, b in pairs]
    assert checked(write(tmp_path / "b", right, items=range(20))) == []


def test_as_many_users_as_items(tmp_path):
    pairs = [(str(n % 20), str(n * 3 % 20 // (1 + n // 20))) for n in range(60)]
    folder = write(
        tmp_path / "a", sorted(set(pairs)), items=[str(n) for n in range(20)]
    )
    assert checked(folder) == []


def test_a_table_that_lists_some_items_only(tmp_path):
    folder = write(tmp_path / "a", PAIRS, items=["i0", "i1"])
    assert checked(folder) == []


def test_repeats_that_only_the_reader_can_see(tmp_path):
    write(tmp_path / "a", [*PAIRS, PAIRS[0]])
    options = {
        "domains": None,
        "columns": None,
        "text_fields": None,
        "text_sep": " ",
        "rating_min": None,
        "duplicates": "last",
        "filters": None,
        "links": None,
        "split_by": None,
    }
    catalogues = Tables.read(path=str(tmp_path), **options)
    (finding,) = check_dropped(catalogues)
    assert (finding.check, finding.where, finding.count) == ("duplicates", "a", 1)
    write(tmp_path / "clean" / "a", PAIRS)
    assert (
        list(check_dropped(Tables.read(path=str(tmp_path / "clean"), **options))) == []
    )
