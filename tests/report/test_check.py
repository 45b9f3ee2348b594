"""A table against one made before: equal, within the tolerances, or named."""

from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.report.check import differences, read_table
from micrec_pyg.report.tables import KEYS
from micrec_pyg.schema import InputError

Row = tuple[str, str, str, float]
"""Group, label, domain, mean."""

ROWS: list[Row] = [
    ("all", "ours", "a", 0.3),
    ("all", "mf", "a", 0.2),
    ("new_item", "ours", "a", 0.5),
]


def _table(rows: list[Row], seeds: int = 3) -> pl.DataFrame:
    cells = [
        ("toy", "random", group, label, domain, "recall@20", mean, seeds)
        for group, label, domain, mean in rows
    ]
    return pl.DataFrame(cells, schema=[*KEYS, "mean", "seeds"], orient="row")


def test_equal_tables() -> None:
    found = differences(_table(ROWS), _table(ROWS[::-1]))
    assert (found.cells, found.unequal, found.largest, found.beyond) == (3, 0, "", [])
    assert str(found).endswith("other groups: held")


def test_small_groups_may_differ_by_more() -> None:
    within = [("all", "ours", "a", 0.3029), ROWS[1], ("new_item", "ours", "a", 0.519)]
    found = differences(_table(within), _table(ROWS))
    assert (found.unequal, found.beyond) == (2, [])
    assert found.largest == (
        "toy random new_item ours a recall@20: 0.5000 before, 0.5190 here"
    )


def test_a_difference_beyond_the_tolerance_is_named() -> None:
    beyond = [("all", "ours", "a", 0.3031), ROWS[1], ("new_item", "ours", "a", 0.479)]
    found = differences(_table(beyond), _table(ROWS))
    assert found.beyond == [
        "toy random new_item ours a recall@20: 0.5000 before, 0.4790 here",
        "toy random all ours a recall@20: 0.3000 before, 0.3031 here",
    ]
    assert str(found).endswith("not held")


def test_a_missing_cell_is_named() -> None:
    more = [*ROWS, ("all", "new", "a", 0.1)]
    assert differences(_table(more), _table(ROWS)).beyond == [
        "1 cells are here alone, such as toy random all new a recall@20"
    ]
    assert differences(_table(ROWS), _table(more)).beyond == [
        "1 cells are in the table before alone, such as toy random all new a recall@20"
    ]


def test_other_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="over 1 and 3 seeds"):
        differences(_table(ROWS, seeds=1), _table(ROWS))


def test_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"columns .*'mean'.* are missing"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(InputError, match="not readable as CSV"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",0.3,3\n", ",abc,3\n"),
        (",0.3,3\n", ",,3\n"),
        (",0.3,3\n", ",nan,3\n"),
        (",0.3,3\n", ",0.3,x\n"),
        (",0.3,3\n", ",0.3,1.5\n"),
        ("toy,random,all,mf", "toy,random,all,ours"),
    ],
)
def test_a_damaged_table_is_refused_by_its_line(tmp_path: Path, old, new) -> None:
    path = tmp_path / "t.csv"
    path.write_text(_table(ROWS).write_csv().replace(old, new))
    line = 3 if "mf" in old else 2
    with pytest.raises(
        InputError, match=rf"t\.csv, line {line}: toy random all ours a"
    ):
        read_table(path)


def test_names_that_look_like_numbers_are_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows: list[Row] = [("all", "3", "7", 0.3)]
    path.write_text(_table(rows).write_csv())
    assert differences(_table(rows), read_table(path)).cells == 1


def test_the_committed_table_is_one() -> None:
    path = Path(__file__).parents[2] / "docs" / "tables" / "quick.csv"
    table = read_table(path)
    assert differences(table, table).unequal == 0
    assert table["label"].n_unique() == 9
