"""Times in every spelling, and problems that are collected."""

import polars as pl
import pytest

from micrec_pyg.data.files.cells import ids
from micrec_pyg.data.files.problems import STRICT, Problems
from micrec_pyg.data.files.tables import read_table
from micrec_pyg.data.files.times import seconds
from micrec_pyg.schema import InputError


def column(folder, name, *cells):
    path = folder / "a.tsv"
    path.write_text("\n".join([name, *map(str, cells), ""]))
    return read_table(path), name, path


def test_iso_dates_are_seconds_in_utc(tmp_path):
    cells = ["2016-05-31", "2016-05-31T12:00:00", "2016-05-31 12:00:00.5Z", 1464652800]
    day = 1464652800  # date -u -d 2016-05-31 +%s
    expected = [day, day + 43200, day + 43200, day]
    assert seconds(*column(tmp_path, "timestamp", *cells)).to_list() == expected


@pytest.mark.parametrize("zeros", [3, 6, 9])
def test_finer_units_are_seen_by_their_size_and_told(zeros, tmp_path, caplog):
    ticks = 1_400_000_000 * 10**zeros
    table = column(tmp_path, "timestamp", ticks, ticks + 10**zeros)
    assert seconds(*table).to_list() == [1_400_000_000, 1_400_000_001]
    unit = {3: "milli", 6: "micro", 9: "nano"}[zeros]
    assert f"{unit}seconds since 1970" in caplog.text


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        (["2016-05-31T12:00:00.25", "2016-05-31T12:00:00.50Z", "2016-05-31"], 2),
        (["1464652800.5", "1464652800.0", "1464652800"], 1),
        ([1464652800_001, 1464652800_000, 1464652800_999], 2),
        ([1464652800_000000_001, 1464652801_000000_000], 1),
        (["2016-05-31 12:00:00.000", "2016-05-31T12:00"], 0),
        ([1464652800_000, 1464652801_000], 0),
    ],
)
def test_fractions_of_a_second_are_cut_and_counted_once(cells, count, tmp_path, caplog):
    found = seconds(*column(tmp_path, "timestamp", *cells))
    assert found.dtype == pl.Int64
    assert not found.has_nulls()
    told = f"column 'timestamp': {count} times have fractions of a second, which are cu"
    assert (told in caplog.text) == bool(count)
    assert caplog.text.count("fractions of a second") == bool(count)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_fractions_of_typed_times_are_counted(unit, zone, tmp_path, caplog):
    path = tmp_path / "a.parquet"
    moments = pl.Series("timestamp", [1_500, 2_000, 2_999]).cast(pl.Datetime("ms"))
    moments = moments.dt.replace_time_zone("UTC").dt.convert_time_zone(zone or "UTC")
    moments.cast(pl.Datetime(unit, zone)).to_frame().write_parquet(path)
    assert seconds(read_table(path), "timestamp", path).to_list() == [1, 2, 2]
    assert "2 times have fractions of a second" in caplog.text


def test_times_of_two_units_are_no_guess(tmp_path):
    problems = Problems(limit=9)
    table = column(tmp_path, "timestamp", 1_400_000_000, 1_400_000_000_000)
    assert seconds(*table, problems).to_list() == [1_400_000_000, None]
    assert [problem.place for problem in problems.found] == ["line 3"]


def test_typed_times_of_a_parquet_file(tmp_path):
    path = tmp_path / "a.parquet"
    moments = pl.Series("timestamp", [0, 86_400_000]).cast(pl.Datetime("ms"))
    moments.to_frame().write_parquet(path)
    assert seconds(read_table(path), "timestamp", path).to_list() == [0, 86400]


def test_all_problems_are_listed_up_to_the_limit_and_then_counted(tmp_path):
    cells = ["u1", "nan", "-1", "u2", "NULL", "x" * 600, "None", "-2"]
    table = column(tmp_path, "user", *cells)
    problems = Problems(limit=4)
    found = ids(*table, problems)
    assert found.to_list() == ["u1", None, None, "u2", None, None, None, None]
    assert [p.place for p in problems.found] == ["line 3", "line 6", "line 8", "line 4"]
    assert problems.errors == 6
    assert problems.not_kept(table[2]) == 2
    assert all(problem.mend for problem in problems.found)


def test_ids_of_a_json_file_are_plain(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"user": "[deleted]"}\n{"user": 7}\n{"user": "{x}"}\n')
    found = ids(read_table(path), "user", path, STRICT)
    assert found.to_list() == ["[deleted]", "7", "{x}"]


@pytest.mark.parametrize("bad", ["1.5", "true", "5.0", "1e3", "false"])
def test_a_decimal_or_boolean_of_a_json_file_is_no_id_beside_texts(bad, tmp_path):
    path = tmp_path / "a.jsonl"
    lines = ['{"user": 1}', "", '{"user": "u2"}', f'{{"n": 2.5, "user" : {bad}}}']
    path.write_text("\n".join(lines))
    table, problems = read_table(path), Problems(limit=9)
    assert ids(table, "user", path, problems).to_list() == ["1", "u2", None]
    (problem,) = problems.found
    assert (problem.place, problem.column) == ("line 4", "user")
    assert "which is a decimal, true or false there" in str(problem)
    renamed = table.rename({"user": "id"})
    with pytest.raises(InputError, match="line 4, column 'id'"):
        ids(renamed, "id", path, in_file="user")


def test_ids_of_a_json_file_may_be_texts_that_look_like_decimals(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"user": "1.5", "a": {"user": 2.5}}\n{"user": "true"}\n')
    assert ids(read_table(path), "user", path).to_list() == ["1.5", "true"]
    path.write_text('{"user": "1.5"}\n{"a": {"user": 2.5}}\n')
    with pytest.raises(InputError, match="line 2, column 'user': got an empty field"):
        ids(read_table(path), "user", path)


def test_a_negative_decimal_of_a_json_file_is_one_problem(tmp_path):
    path, problems = tmp_path / "a.jsonl", Problems(limit=9)
    path.write_text('{"user": "a"}\n{"user": -1.0}\n')
    assert ids(read_table(path), "user", path, problems).to_list() == ["a", None]
    assert len(problems.found) == problems.errors == 1


@pytest.mark.parametrize("blank", ["  ", "\xa0", "\u200b", "\ufeff \u3000"])
@pytest.mark.parametrize("coded", [False, True])
def test_an_id_of_blanks_alone_is_none(blank, coded, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(f"user\titem\n7\tx\n{blank}\ty\n")
    table = read_table(path, codes=lambda names: names if coded else ())
    with pytest.raises(InputError, match=r"line 3, column 'user': got .*an id is need"):
        ids(table, "user", path)
