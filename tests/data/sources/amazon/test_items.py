"""Metadata of every release: text fields, image addresses, and what is left out."""

import polars as pl
import pytest
from reference import amazon as raw

from micrec_pyg.data.sources.amazon.items import (
    COUNTS,
    IMAGE_LIST,
    TEXT_FIELDS,
    write_items,
)
from micrec_pyg.data.sources.amazon.layout import Layout, metadata_layout
from micrec_pyg.schema import InputError

RATED = frozenset(raw.ITEMS)


def read(folder, text, *, wanted, compressed=False):
    folder.mkdir(exist_ok=True)
    path = raw.write(folder / "meta", text, compressed=compressed)
    counts = write_items(path, metadata_layout(path), folder, wanted=wanted)
    items = pl.read_parquet(folder / "items.parquet")
    urls = pl.read_csv(folder / IMAGE_LIST, separator="\t", quote_char=None)
    return items, dict(urls.rows()), counts


@pytest.mark.parametrize("release", ["2014", "2018", "2023"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_fields_of_every_release(tmp_path, release, compressed, end):
    text = raw.meta_text(release, end=end)
    items, urls, _ = read(tmp_path, text, wanted=RATED, compressed=compressed)
    assert items.columns == ["item", *TEXT_FIELDS]
    found = {row[0]: (*row[1:], urls.get(row[0])) for row in items.rows()}
    assert found == raw.EXPECTED[release]


def test_what_is_left_out_is_counted(tmp_path):
    _, _, old = read(tmp_path / "a", raw.meta_text("2014"), wanted=RATED)
    assert old == {**dict.fromkeys(COUNTS, 0), "metadata_of_unrated_items": 1}
    _, _, counts = read(tmp_path / "b", raw.meta_text("2018"), wanted=RATED)
    assert counts == {
        "metadata_without_id": 0,
        "metadata_of_unrated_items": 1,
        "metadata_repeated": 1,
        "titles_that_are_page_code": 1,
        "prices_not_understood": 1,
        "image_addresses_not_usable": 0,
    }
    items, _, counts = read(tmp_path / "c", raw.meta_text("2018"), wanted=None)
    assert "B00UNRATED" in items["item"]
    assert counts["metadata_of_unrated_items"] == 0
    assert counts["image_addresses_not_usable"] == 1


@pytest.mark.parametrize(
    ("release", "bad", "need"),
    [
        ("2014", "{'asin': 'B0'", "one Python literal"),
        ("2014", "{'asin': __import__('os')}", "one Python literal"),
        ("2014", "['asin']", "one Python literal"),
        ("2014", "{'title': 'no id'}", "an id under the key asin, not None"),
        ("2018", "{'asin': 'B00UNRATED'}", "one JSON object"),
        ("2018", '{"asin": "../up"}', "an id under the key asin"),
        ("2023", '{"parent_asin": 5}', "an id under the key parent_asin, not 5"),
        ("2023", "3", "one JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, release, bad, need):
    lines = raw.meta_text(release).split("\n")
    lines[2:2] = ["", bad]
    with pytest.raises(InputError, match="mend or delete the line") as caught:
        read(tmp_path, "\n".join(lines), wanted=None)
    assert str(caught.value).startswith(f"{tmp_path / 'meta'}, line 4: got ")
    assert need in str(caught.value)


@pytest.mark.parametrize("bad", [3, 4])
def test_items_without_an_id_are_left_out_up_to_a_tenth(tmp_path, bad):
    lines = [f'{{"parent_asin": "B{n:09}", "title": "T{n}"}}' for n in range(30)]
    lines[1:1] = ['{"parent_asin": null, "title": "x"}'] * bad
    path = raw.write(tmp_path / "meta", "\n".join(lines))
    layout = Layout(("2023",), "json", ("parent_asin",), False, False)
    if bad > 3:
        with pytest.raises(InputError, match=r"line 2: .*an id under the key"):
            write_items(path, layout, tmp_path, wanted=None)
    else:
        counts = write_items(path, layout, tmp_path, wanted=None)
        assert counts["metadata_without_id"] == bad
        assert pl.read_parquet(tmp_path / "items.parquet").height == 30
