"""Tables of every kind read alike, and errors that name the place."""

import json

import polars as pl
import pytest

from micrec_pyg.data.files import line_blocks
from micrec_pyg.data.files.cells import decimals, ids, integers
from micrec_pyg.data.files.problems import Problems
from micrec_pyg.data.files.table_names import find_table
from micrec_pyg.data.files.tables import (
    ROW,
    column_names,
    read_table,
    require_columns,
)
from micrec_pyg.data.files.times import seconds
from micrec_pyg.schema import InputError


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_four_formats_give_the_same_ids_and_numbers(tmp_path):
    frame = pl.DataFrame({"user": ["007", "b"], "item": ["x", "y"], "rating": [1.5, 4]})
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    for suffix in ("tsv", "csv", "parquet", "jsonl"):
        path = tmp_path / f"a.{suffix}"
        table = read_table(path)
        assert ids(table, "user", path).to_list() == ["007", "b"], suffix
        assert decimals(table, "rating", path).to_list() == [1.5, 4.0], suffix


def test_chosen_texts_of_parquet_become_codes_with_the_same_values(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"uid": ["b", None, "b"], "n": [1, 2, 3], "t": ["x", "", "y"]})
    frame.write_parquet(path)
    table = read_table(path, codes=lambda names: [n for n in names if n != "t"])
    kinds = {"uid": pl.Categorical, "n": pl.Int64, "t": pl.String}
    assert dict(table.drop(ROW).schema) == kinds
    assert table.drop(ROW).cast({"uid": pl.String}).equals(frame)
    with pytest.raises(InputError, match="row 2, column 'uid'"):
        ids(table, "uid", path)


PIECES = {
    "plain.tsv": "user\titem\tn\n" + "".join(f"u{n % 7}\ti\t{n}\n" for n in range(40)),
    "no end.csv": "user,item,n\n" + "\n".join(f"u{n},i{n},{n}" for n in range(30)),
    "blank.tsv": "user\titem\tn\n\n" + "a\tb\t1\n\n\n\nc\td\t2\n" * 9,
    "quotes.csv": "user,item,n\n" + 'a,"x\n,y",1\nb,z,2\n' * 9,
    "null.tsv": "user\titem\tn\r\n" + "a\t\t1\r\n\tb\t2\r\n" * 9,
}


@pytest.mark.parametrize("name", PIECES)
def test_a_table_read_in_pieces_is_the_table(tmp_path, monkeypatch, name):
    path = write(tmp_path / name.replace(" ", "_"), PIECES[name])
    whole = pl.read_csv(
        path,
        separator="," if name.endswith("csv") else "\t",
        quote_char='"' if name.endswith("csv") else None,
        infer_schema=False,
    ).with_row_index(ROW)
    whole = whole.filter(pl.any_horizontal(pl.exclude(ROW).is_not_null()))
    for size in (1, 17, 64):
        monkeypatch.setattr(line_blocks, "BLOCK", size)
        table = read_table(path, codes=lambda names: names[:2])
        assert table.cast({"user": pl.String, "item": pl.String}).equals(whole), size
        if name in ("plain.tsv", "no end.csv", "null.tsv"):
            assert table["user"].dtype == pl.Categorical


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.csv", "user,item,n\na,x,5\n\n,,\n\nb,y,6\n", "line 4"),
        ("b.csv", 'user,item,n\n"a\n\n1",x,5\n\n,,\n\nb,y,6\n', "line 6"),
        ("a.tsv", "user\titem\r\na\tx\r\n\r\n\t\r\n\r\nb\ty\r\n", "line 4"),
        ("a.jsonl", '{"user":"a","item":"x"}\n\n{}\n{"user":null}\n', "line 3"),
    ],
)
@pytest.mark.parametrize("size", [7, 2**24])
def test_a_row_of_empty_cells_is_no_blank_line(
    tmp_path, monkeypatch, name, content, place, size
):
    monkeypatch.setattr(line_blocks, "BLOCK", size)
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=f"{place}, column 'item': got an empty field"):
        ids(read_table(path), "item", path)


@pytest.mark.parametrize("left", ["nothing", "rows", "columns"])
def test_a_line_is_that_of_the_file_whatever_was_left_out(tmp_path, left):
    text = '"no\nte",user,n\n"x\ny\nz",a,5\nx,b,6\n"x\ny",c,seven\n'
    path = write(tmp_path / "a.csv", text)
    table = read_table(path)
    if left == "rows":
        table = table.filter(pl.col("user") != "a")
    if left == "columns":
        table = table.select(ROW, "n")
    with pytest.raises(InputError, match="line 7, column 'n': got 'seven'"):
        decimals(table, "n", path)


@pytest.mark.parametrize("first", ["a,x,5\n", '"a\n1",x,5\n', ""])
def test_rows_of_empty_cells_at_the_end_are_left_out_and_told(tmp_path, caplog, first):
    caplog.set_level("INFO")
    path = write(tmp_path / "a.csv", f"user,item,n\n{first}\n,,\n\n,,\n")
    assert read_table(path)["item"].to_list() == ["x"] * bool(first)
    assert "a.csv: 2 rows of empty cells at its end are left out" in caplog.text


def test_a_row_of_nulls_of_parquet_is_a_row(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user": ["a", None], "item": ["x", None]}).write_parquet(path)
    with pytest.raises(InputError, match="row 2, column 'user': got an empty field"):
        ids(read_table(path), "user", path)


def test_a_byte_order_mark_of_jsonl_is_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"user": "a", "item": "x"}\n')
    assert read_table(path).rows() == [(0, "a", "x")]
    assert column_names(path) == ["user", "item"]


def test_a_column_of_jsonl_without_a_type_is_left_out(tmp_path):
    lines = [
        {"user": "a", "rating": 4.5, "extra": {"k": 1}, "deep": [[1]], "flag": 1},
        {"user": "b", "extra": None, "deep": None, "flag": None, "late": "x"},
        {"user": "c", "rating": 3, "extra": [1], "deep": [{"k": 1}], "flag": True},
    ]
    path = write(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, lines)))
    problems = Problems(limit=9)
    table = read_table(path, problems)
    assert table.columns == [ROW, "user", "rating", "late"]
    rows = [(0, "a", 4.5, None), (1, "b", None, "x"), (2, "c", 3.0, None)]
    assert table.rows() == rows
    assert column_names(path) == ["user", "rating", "late"]
    told = [
        "column 'extra': its values cannot be one column and are left out: an object "
        "in line 1, a list in line 5; write values of one kind",
        "column 'deep': its values cannot be one column and are left out: a list in "
        "line 1",
        "column 'flag': its values cannot be one column and are left out: a number in "
        "line 1, true or false in line 5",
    ]
    assert problems.errors == 0
    for problem, sentence in zip(problems.found, told, strict=True):
        assert sentence in str(problem)
    write(path, '{"extra": {}}\n{"extra": []}\n')
    assert read_table(path, problems) is None
    assert "it has no column" in str(problems.found[-1])


def test_a_coded_id_without_a_fault_stays_a_code(tmp_path):
    path = write(tmp_path / "i.tsv", "user\nb\na\nb\nnan\n")
    table = read_table(path, codes=lambda names: names)
    with pytest.raises(InputError, match=r"line 5, column 'user'"):
        ids(table, "user", path)
    good = ids(table.head(3), "user", path)
    assert good.dtype == pl.Categorical
    assert good.cast(pl.String).to_list() == ["b", "a", "b"]


def test_a_quote_in_tsv_is_an_ordinary_character(tmp_path):
    path = write(tmp_path / "i.tsv", 'item\ttitle\n1\t"Great" pan\n2\t12" pan\n')
    assert read_table(path)["title"].to_list() == ['"Great" pan', '12" pan']


def test_a_quoted_csv_field_may_hold_commas_and_line_breaks(tmp_path):
    path = write(tmp_path / "i.csv", 'item,title\n1,"a, b\nc"\n')
    assert read_table(path)["title"].to_list() == ["a, b\nc"]


def test_byte_order_mark_windows_line_ends_and_blank_lines(tmp_path):
    path = write(tmp_path / "i.tsv", "\ufeffuser\titem\r\na\tx\r\n\r\nb\ty\r\n")
    table = read_table(path)
    assert table.drop(ROW).rows() == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.tsv", "user\trating\na\t4\n\nb\tfour\n", 4),
        ("a.csv", 'user,rating\n"a\nb\nc",4\nd,four\n', 5),
        (
            "a.jsonl",
            '{"user": "a", "rating": "4"}\n\n{"user": 1, "rating": "four"}\n',
            3,
        ),
    ],
)
def test_a_bad_rating_is_named_by_line_and_column(tmp_path, name, text, line):
    path = write(tmp_path / name, text)
    with pytest.raises(InputError, match=rf"line {line}, column 'rating': got 'four'"):
        decimals(read_table(path), "rating", path)


def test_a_bad_row_of_parquet_is_named_by_its_number(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"rating": [1.0, float("nan")]}).write_parquet(path)
    with pytest.raises(InputError, match="row 2, column 'rating'"):
        decimals(read_table(path), "rating", path)


@pytest.mark.parametrize("bad", ["", "nan", "inf", "x"])
def test_what_is_no_finite_number_is_refused(tmp_path, bad):
    path = write(tmp_path / "a.tsv", f"user\trating\na\t{bad}\n")
    with pytest.raises(InputError, match="line 2, column 'rating'"):
        decimals(read_table(path), "rating", path)


def test_an_empty_id_is_named_by_line(tmp_path):
    path = write(tmp_path / "a.tsv", "user\titem\na\tx\nb\t\n")
    with pytest.raises(InputError, match="line 3, column 'item': got an empty field"):
        ids(read_table(path), "item", path)


def test_whole_numbers_in_every_spelling(tmp_path):
    nanoseconds = 1_700_000_000_123_456_789
    path = write(tmp_path / "a.tsv", f"time\n5\n881250949.0\n 1e3 \n{nanoseconds}\n")
    times = integers(read_table(path), "time", path)
    assert times.to_list() == [5, 881250949, 1000, nanoseconds]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.tsv", pl.String), ("a.parquet", pl.Float64), ("a.parquet", pl.Decimal(9, 2))],
)
def test_a_number_with_a_fraction_is_no_whole_number(tmp_path, name, dtype):
    path = tmp_path / name
    frame = pl.DataFrame({"order": pl.Series(["2.00", "0.90", "-0.50"]).cast(dtype)})
    if dtype == pl.String:
        write(path, frame.write_csv())
    else:
        frame.write_parquet(path)
    problems = Problems(limit=9)
    found = integers(read_table(path), "order", path, problems)
    assert found.to_list() == [2, None, None]
    place = "line 3" if dtype == pl.String else "row 2"
    assert problems.found[0].place == place
    assert "a whole number is needed" in str(problems.found[0])


def test_dates_become_unix_seconds(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"time": ["1970-01-02", "1970-01-01"]})
    frame.with_columns(pl.col("time").str.to_date()).write_parquet(path)
    assert seconds(read_table(path), "time", path).to_list() == [86400, 0]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "a.tsv",
            b"user\titem\na\tx\nb\ty\tz\n",
            "line 3: got 3 fields, the header has 2",
        ),
        ("a.csv", b"user,item\na,x\nb,y,z\n", "line 3: got 3 fields, the header has 2"),
        ("a.jsonl", b'{"user": 1}\n{"user": \n', "line 2: not a JSON object"),
        ("a.jsonl", b'{"user": 1}\n[2]\n', "line 2: not a JSON object"),
        ("a.tsv", b"user\titem\n\xff\xfe\tx\n", "not UTF-8"),
        ("a.tsv", b"", "empty"),
        ("a.parquet", b"nonsense", "parquet"),
    ],
)
def test_an_unreadable_file_says_why(tmp_path, name, content, fault):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=fault) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_missing_columns_name_found_and_needed(tmp_path):
    path = write(tmp_path / "a.tsv", "uid\titem\na\tx\n")
    with pytest.raises(
        InputError,
        match=r"column user is missing; found: uid, item; needed: user, item",
    ):
        require_columns(read_table(path).columns, ["user", "item"], path)
    with pytest.raises(InputError, match="columns user, time are missing; found"):
        require_columns(read_table(path).columns, ["user", "item", "time"], path)


def test_two_tables_of_one_name_are_refused(tmp_path):
    assert find_table(tmp_path, "items") is None
    write(tmp_path / "items.csv", "item\n1\n")
    assert find_table(tmp_path, "items") == tmp_path / "items.csv"
    write(tmp_path / "items.tsv", "item\n1\n")
    with pytest.raises(InputError, match=r"items\.tsv, items\.csv"):
        find_table(tmp_path, "items")
