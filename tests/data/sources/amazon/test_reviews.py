"""Reviews of every release equal a naive line by line reading; faults name the line."""

import random

import polars as pl
import pytest
from reference import amazon as raw

from micrec_pyg.data.files import line_blocks
from micrec_pyg.data.sources.amazon import reviews as amazon_reviews
from micrec_pyg.data.sources.amazon.layout import reviews_layout
from micrec_pyg.data.sources.amazon.reviews import write_interactions
from micrec_pyg.schema import InputError

RELEASES = ["2014", "2018", "2023"]


def read(path, target=None):
    target = target or path.with_name("out.parquet")
    count = write_interactions(path, reviews_layout(path, order=None), target)
    rows = pl.read_parquet(target).rows()
    assert count == len(rows)
    return rows


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_csv_and_json_equal_a_naive_reading(tmp_path, release, compressed, end):
    expected = None
    for text in (
        raw.csv_text(release, end=end),
        raw.csv_text(release, end=end, quote=True).replace('"user_id', "user_id"),
        raw.json_text(release, end=end),
    ):
        path = raw.write(tmp_path / "file", text, compressed=compressed)
        found = read(path)
        assert found == raw.naive_reviews(release, text)
        expected = expected or found
        assert found == expected  # the formats tell the same
    assert expected[0] == (raw.USERS[release][0], "B00813GRG4", 5.0, 1_400_000_000)


def test_reviews_may_be_python_literals(tmp_path):
    rows = [dict(zip(["reviewerID", "asin"], raw.USERS["2014"][:2], strict=True))]
    rows[0] |= {"overall": 5.0, "unixReviewTime": 1_400_000_000, "text": 'it\'s "x"'}
    path = raw.write(tmp_path / "file", "\n".join(map(repr, rows * 3)))
    assert read(path) == [(*raw.USERS["2014"][:2], 5.0, 1_400_000_000)] * 3


def test_the_size_of_a_block_changes_nothing(tmp_path, monkeypatch):
    rng = random.Random(0)
    lines = [
        f"A{rng.randrange(10**10):010d},B{rng.randrange(10**9):09d},"
        f"{rng.randint(1, 5)},{rng.randrange(9**9, 10**9)}"
        for _ in range(500)
    ]
    text = "\n".join(lines)
    path = raw.write(tmp_path / "file", text, compressed=True)
    original = line_blocks.line_blocks
    for size in (1, 77, 1000):
        monkeypatch.setattr(
            amazon_reviews, "line_blocks", lambda p, size=size: original(p, size=size)
        )
        assert read(path) == raw.naive_reviews("2014", text)


CSV = ["AH2IFH762VY5U,B00813GRG4,5.0,1400000000"] * 40
JSON = [
    '{"reviewerID": "AH2IFH762VY5U", "asin": "B00813GRG4", "overall": 5.0, '
    '"unixReviewTime": 1400000000, "helpful": [0, 0]}'
] * 40


@pytest.mark.parametrize(
    ("lines", "old", "new", "column", "need"),
    [
        (CSV, "5.0", "five", "column '3 (rating)'", "got 'five', needed: a number"),
        (CSV, "5.0", "", "column '3 (rating)'", "an empty field"),
        (CSV, "5.0", "nan", "column '3 (rating)'", "a number"),
        (CSV, "1400000000", "x", "column '4 (timestamp)'", "a Unix time before 2100"),
        (CSV, "1400000000", "14000000000", "column '4 (timestamp)'", "before 2100"),
        (CSV, "1400000000", "-5", "column '4 (timestamp)'", "a Unix time"),
        (CSV, "AH2IFH762VY5U", "", "column '1 (user)'", "an id"),
        (CSV, "B00813GRG4", "B0 08", "column '2 (item)'", "got 'B0 08'"),
        (CSV, "AH2IFH762VY5U,", "", "", "got 3 fields"),
        (CSV, "5.0", "5.0,6", "", "got 5 fields"),
        (CSV, "AH2", '"AH2', "", "needed: 4"),
        (
            JSON,
            '"overall": 5.0',
            '"overall": "5"',
            "'overall'",
            "got '5', needed: a num",
        ),
        (JSON, '"overall": 5.0', '"overall": null', "'overall'", "an empty field"),
        (JSON, '"overall": 5.0, ', "", "'overall'", "the key is missing"),
        (JSON, '"asin": "B00813GRG4"', '"asin": ["B0"]', "'asin'", "needed: an id"),
        (JSON, '"asin": "B00813GRG4"', '"asin": null', "'asin'", "needed: an id"),
        (JSON, "1400000000", "1e300", "'unixReviewTime'", "before 2100"),
        (JSON, '"asin"', "asin", "", "needed: one JSON object"),
        (JSON, '"helpful": [0, 0]}', '"helpful": [0', "", "needed: one JSON object"),
        (JSON, JSON[0], "[1, 2]", "", "needed: one JSON object"),
        (JSON, JSON[0], JSON[0] + JSON[0], "", "needed: one JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, lines, old, new, column, need):
    lines = lines.copy()
    lines[28] = lines[28].replace(old, new)
    lines.insert(3, "")  # blank lines count as lines
    path = raw.write(tmp_path / "file", "\r\n".join(lines))
    with pytest.raises(InputError, match="mend or delete the line") as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 30{', column' if column else ':'}")
    assert column in message
    assert need in message


@pytest.mark.parametrize("lines", [CSV, JSON])
def test_a_bad_byte_far_behind_is_named(tmp_path, lines, monkeypatch):
    path = tmp_path / "file"
    content = "\n".join(lines * 400).encode()
    at = content.index(b"\n", len(content) - 5000) + 4
    path.write_bytes(content[:at] + b"\xfe" + content[at:])
    number = 1 + content[:at].count(b"\n")
    monkeypatch.setattr("micrec_pyg.data.sources.amazon.layout.SAMPLE_BYTES", 1000)
    original = line_blocks.line_blocks
    monkeypatch.setattr(
        amazon_reviews, "line_blocks", lambda p: original(p, size=20_000)
    )
    with pytest.raises(InputError, match=f"line {number}: byte 0xfe is not UTF-8"):
        write_interactions(
            path,
            reviews_layout(raw.write(tmp_path / "good", lines[0]), order=None),
            tmp_path / "out",
        )


def test_a_review_needs_a_line(tmp_path):
    good = reviews_layout(raw.write(tmp_path / "good", CSV[0]), order=None)
    with pytest.raises(InputError, match="there is no review"):
        write_interactions(raw.write(tmp_path / "x", "\n"), good, tmp_path / "out")
