"""The release and the order of columns are seen from the content, or refused."""

import pytest
from reference import amazon as raw

from micrec_pyg.data.sources.amazon.layout import (
    check_release,
    metadata_layout,
    reviews_layout,
)
from micrec_pyg.schema import InputError

RELEASES = ["2014", "2018", "2023"]


def layout(tmp_path, text, order=None):
    return reviews_layout(raw.write(tmp_path / "file", text), order=order)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_release_shows_itself(tmp_path, release, end):
    made = {
        "csv": layout(tmp_path, raw.csv_text(release, end=end)),
        "json": layout(tmp_path, raw.json_text(release, end=end)),
    }
    for style, found in made.items():
        assert (found.releases, found.style) == ((release,), style)
        assert found.milliseconds == (release == "2023")
    assert made["csv"].columns.index("item") == (0 if release == "2018" else 1)
    assert made["csv"].header == (release == "2023")
    meta = raw.write(tmp_path / "meta", raw.meta_text(release, end=end))
    found = metadata_layout(meta)
    assert found.releases == (release,)
    assert found.style == ("python" if release == "2014" else "json")


def test_a_header_decides_the_order(tmp_path):
    text = (
        "asin,x,rating,timestamp,user_id\nB00813GRG4,1,5,1400000000000,AH2IFH762VY5U\n"
    )
    found = layout(tmp_path, text)
    assert found.columns == ("item", "", "rating", "timestamp", "user")
    assert found.releases == ("2023",)
    with pytest.raises(InputError, match="line 1: the header has no column rating"):
        layout(tmp_path, text.replace("rating", "stars"))
    with pytest.raises(InputError, match="a header but no row"):
        layout(tmp_path, text.split("\n")[0])


ROWS = [
    "AH2IFH762VY5U,B00813GRG4,5,1400000000",
    "B00813GRG4,AH2IFH762VY5U,4,1400000001",
]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(ROWS * 2, id="both orders"),
        pytest.param(
            ["u1,i1,5,1400000000", "u2,i2,4,1400000001", "u3,i3,1,9"], id="ids"
        ),
        pytest.param(["A1,A2,A3,A4,A5"], id="width"),
        pytest.param([f"{ROWS[0]}000", ROWS[0], ROWS[0]], id="seconds or not"),
        pytest.param([ROWS[0].replace("1400000000", "01 1, 2018")], id="date"),
        pytest.param(
            ['{"reviewerID": "A", "asin": "B", "unixReviewTime": 1}'], id="key"
        ),
        pytest.param(['{"reviewerID": "A"', "{", "{]"], id="no json"),
    ],
)
def test_what_is_ambiguous_is_refused_with_three_rows(tmp_path, lines):
    with pytest.raises(InputError, match=r"First rows as parsed: ") as caught:
        layout(tmp_path, "\n".join([*lines, lines[0], lines[0]]))
    shown = str(caught.value).split("First rows as parsed: ")[1]
    assert len(shown.split(" | ")) == 3
    assert lines[0].split(",")[0].strip('{"')[:8] in shown


def test_the_order_can_be_said(tmp_path):
    text = "u1,i1,5,1400000000\nu2,i2,4,1400000001\n"
    found = layout(tmp_path, text, order="item_first")
    assert found.columns[:2] == ("item", "user")
    with pytest.raises(InputError, match="valid: user_first, item_first"):
        layout(tmp_path, text, order="items")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file(tmp_path, text):
    for read in (lambda p: reviews_layout(p, order=None), metadata_layout):
        with pytest.raises(InputError, match="is empty"):
            read(raw.write(tmp_path / "file", text))


@pytest.mark.parametrize(
    "lines",
    [
        ['{"asin": "B00813GRG4", "imUrl": "x", "also_buy": []}'],
        ['{"title": "x"}'],
        ["[1, 2]", "nothing"],
    ],
)
def test_metadata_of_no_release(tmp_path, lines):
    with pytest.raises(InputError, match="First rows as parsed"):
        metadata_layout(raw.write(tmp_path / "file", "\n".join(lines)))


def test_another_release_than_asked(tmp_path):
    found = layout(tmp_path, raw.csv_text("2014"))
    check_release(tmp_path, found, "2014")
    with pytest.raises(InputError, match="give data=amazon2014"):
        check_release(tmp_path, found, "2018")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "file").write_bytes(b"A,B\nC\xff,D\n")
    with pytest.raises(InputError, match="line 2: byte 0xff is not UTF-8"):
        reviews_layout(tmp_path / "file", order=None)


def test_a_literal_is_never_run(tmp_path):
    target = tmp_path / "ran"
    text = f"{{'asin': open({str(target)!r}, 'w')}}\n"
    with pytest.raises(InputError):
        metadata_layout(raw.write(tmp_path / "file", text))
    assert not target.exists()
