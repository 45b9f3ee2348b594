"""Reviews of every release equal a naive line by line reading; faults name the line."""

import json
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
    written = write_interactions(path, reviews_layout(path, order=None), target)
    rows = pl.read_parquet(target).rows()
    assert written == (len(rows), 0)
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
def test_a_bad_line_is_named(tmp_path, caplog, lines, old, new, column, need):
    lines = lines.copy()
    lines[28] = lines[28].replace(old, new)
    lines.insert(3, "")  # blank lines count as lines
    path = raw.write(tmp_path / "file", "\r\n".join(lines))
    layout = reviews_layout(path, order=None)
    target = tmp_path / "out.parquet"
    if column:  # an impossible cell drops the review, the others stay
        assert write_interactions(path, layout, target) == (39, 1)
        assert pl.read_parquet(target).unique().height == 1
        message = caplog.messages[-1].split("dropped: ")[1]
    else:  # a damaged line is a damaged file
        with pytest.raises(InputError, match="mend or delete the line") as caught:
            write_interactions(path, layout, target)
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


@pytest.mark.parametrize("bad", [0, 4, 5])
@pytest.mark.parametrize("time", [-123456789000, 1_400_000_000, 0, 10**14, "x", None])
def test_impossible_times_are_dropped_up_to_a_tenth(tmp_path, bad, time):
    # milliseconds; a number of seconds among them would be a day of 1970
    good = [1_400_000_000_000 + 1000 * n for n in range(40 - bad)]
    times = [*good[:8], *[time] * bad, *good[8:]]
    lines = [
        json.dumps(
            {"rating": 5.0, "parent_asin": f"B{n:09}", "user_id": "AE", "timestamp": t}
        )
        for n, t in enumerate(times)
    ]
    path = raw.write(tmp_path / "file", "\n".join(lines))
    layout = reviews_layout(raw.write(tmp_path / "good", lines[0]), order=None)
    target = tmp_path / "out.parquet"
    if bad > 4:
        with pytest.raises(InputError, match="line 9, column 'timestamp'"):
            write_interactions(path, layout, target)
    else:
        assert write_interactions(path, layout, target) == (40 - bad, bad)
        found = pl.read_parquet(target)["timestamp"].to_list()
        assert found == [each // 1000 for each in good]


def test_a_time_of_another_unit_hides_no_layout(tmp_path):
    lines = [raw_line.replace("1400000000", "1400000000000") for raw_line in CSV]
    lines[5] = CSV[0]
    path = raw.write(tmp_path / "file", "\n".join(lines))
    assert reviews_layout(path, order=None).milliseconds
    lines[:20] = CSV[:20]
    with pytest.raises(InputError, match="whether its times are seconds or milli"):
        reviews_layout(raw.write(path, "\n".join(lines)), order=None)


def test_a_short_line_is_damage_also_behind_an_impossible_cell(tmp_path):
    lines = [*CSV, CSV[0][:24]]
    lines[20] = lines[20].replace("5.0", "five")
    path = raw.write(tmp_path / "file", "\n".join(lines))
    with pytest.raises(InputError, match="line 41: got 2 fields"):
        write_interactions(path, reviews_layout(path, order=None), tmp_path / "out")
