"""Which files and options a catalogue's digest stands for; earlier runs hold it."""

import hashlib
import json

import polars as pl
import pytest

from micrec_pyg.data.sources import Tables

OPTIONS = {
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
PINNED = "c2473444d3458e1ff1c4c6254a79005bbe50047f91d6cc3fd49e70bc6fc6ff86"
"""Of ``shop``, as version 3 had it from the start."""


def sha256(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@pytest.fixture
def shop(tmp_path):
    tea = tmp_path / "tea"
    (tea / "images").mkdir(parents=True)
    (tea / "interactions.tsv").write_text("user\titem\na\t1\nb\t2\n")
    (tea / "items.tsv").write_text("item\ttitle\n1\tRed tea\n2\t\n")
    (tea / "images" / "1.jpg").write_bytes(b"first")
    return tmp_path


def digest(shop):
    return Tables.read(path=str(shop), **OPTIONS)["tea"].digest


def of_files(shop):
    """Return the digest as every version computes it from files and options."""
    files = [path for path in (shop / "tea").rglob("*") if path.is_file()]
    content = {
        path.relative_to(shop / "tea").as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in files
    }
    catalogue = Tables.read(path=str(shop), **OPTIONS)["tea"]
    options = {**catalogue.options, "joined": ""}
    return sha256(["own-catalogue 3", "tea", sha256(content), options])


def write_vectors(shop, *vectors):
    frame = pl.DataFrame({"item": ["1", "2"], "vector": vectors})
    frame.write_parquet(shop / "tea" / "audio.parquet")


def test_the_digest_of_earlier_runs_stays(shop):
    assert digest(shop) == PINNED
    assert digest(shop) == of_files(shop)
    write_vectors(shop, [1.0, 2.0], [0.0, 1.0])
    assert digest(shop) == of_files(shop) != PINNED


def test_vectors_that_earlier_versions_read_otherwise_have_another_digest(shop):
    write_vectors(shop, [1.0, 2.0], [0.0, 0.0])
    some = digest(shop)
    assert some != of_files(shop)
    write_vectors(shop, [0.0, 0.0], [0.0, 0.0])
    assert digest(shop) not in (some, of_files(shop))


def test_lists_that_earlier_versions_took_as_texts_have_another_digest(shop):
    (shop / "tea" / "items.tsv").unlink()
    items = pl.DataFrame({"item": ["1"], "tags": [["red"]], "none": [[]]})
    items.write_parquet(shop / "tea" / "items.parquet")
    assert digest(shop) == of_files(shop)
    items = items.with_columns(pl.Series("embedding", [[0.5, 0.25]]))
    items.write_parquet(shop / "tea" / "items.parquet")
    assert digest(shop) != of_files(shop)
