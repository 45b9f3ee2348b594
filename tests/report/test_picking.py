"""Picking by validation and by test: values by hand, ranks, and order of models."""

import polars as pl
import pytest

from micrec_pyg.grid import titled_markdown
from micrec_pyg.report.picking import MEAN, draw_picking, picking_table, picking_tables


def _trials(
    model: str, val: list[float], test: list[float], groups: tuple[str, ...]
) -> pl.DataFrame:
    best = val.index(max(val))
    return pl.concat(
        pl.DataFrame(
            {
                "model": model,
                "split": "s",
                "group": group,
                "val": val,
                "test": test,
                "picked": [place == best for place in range(len(val))],
            }
        )
        for group in groups
    )


BOTH = ("all", "old_user_old_item")
COUNTS = pl.DataFrame(
    {
        "model": ["A", "B", "C"],
        "split": ["s"] * 3,
        "complete": [4, 4, 2],
        "pruned": [1, 0, 3],
        "failed": [0, 1, 0],
    }
)


@pytest.fixture
def trials() -> pl.DataFrame:
    return pl.concat(
        [
            _trials("A", [0.4, 0.3, 0.2, 0.1], [0.2, 0.1, 0.3, 0.4], BOTH),
            _trials("B", [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.35], BOTH),
            _trials("C", [0.5, 0.4], [0.3, 0.3], BOTH[1:]),
        ]
    )


def test_what_each_way_of_picking_comes_to(trials: pl.DataFrame) -> None:
    table = picking_table(trials, COUNTS)
    a = table.filter(model="A", group="all").row(0, named=True)
    assert (a["complete"], a["pruned"], a["failed"], a["different"]) == (4, 1, 0, 4)
    assert (a["picked"], a["best"], a["rank"]) == (0.2, 0.4, 3)
    assert a["difference"] == pytest.approx(0.2)
    assert a["percent"] == pytest.approx(100)
    # ranks 4 3 2 1 against 2 1 3 4: 1 - 6 (4 + 4 + 1 + 9) / (4 (16 - 1))
    assert a["spearman"] == pytest.approx(1 - 6 * 18 / 60)
    b = table.filter(model="B", group="all").row(0, named=True)
    assert (b["difference"], b["rank"], b["spearman"]) == (0, 1, pytest.approx(1))
    mean = table.filter(model=MEAN, group="all").row(0, named=True)
    assert mean["difference"] == pytest.approx(0.1)
    assert mean["percent"] == pytest.approx(50)
    assert mean["rank"] is None
    # C has no answer for all: it stands in the group that every model has
    assert set(table.filter(group="all")["model"]) == {"A", "B", MEAN}
    old = table.filter(group="old_user_old_item")
    assert set(old["model"]) == {"A", "B", "C", MEAN}
    c = old.filter(model="C").row(0, named=True)
    assert (c["rank"], c["spearman"]) == (1, None)


def test_the_order_of_the_models_is_told(trials: pl.DataFrame) -> None:
    tables = picking_tables(picking_table(trials, COUNTS), "ndcg@20")
    text = titled_markdown(tables)
    # by validation B is first (.35 and .2), by test A (.4 and .35)
    assert "tau -1.000, 2 of them change place; B is first by validation, A by" in text
    assert "| A | 4 | 1 | 0 | 4 | 0.2000 | 0.4000 | 0.2000 | 100.0 | 3 of 4 |" in text
    # of three, B 1 C 2 A 3 becomes A 1 B 2 C 3: one pair of three keeps its order
    assert "order of the 3 models by both ways of picking: Kendall's tau -0.333" in text


def test_a_group_that_all_models_have_is_enough(trials: pl.DataFrame) -> None:
    table = picking_table(trials.filter(pl.col("model") != "C"), COUNTS)
    assert set(table["group"]) == {"all"}


def test_a_picture_has_every_model(trials: pl.DataFrame, tmp_path) -> None:
    path = tmp_path / "picking.svg"
    draw_picking(trials, picking_table(trials, COUNTS), "ndcg@20", path)
    once = path.read_bytes()
    draw_picking(trials, picking_table(trials, COUNTS), "ndcg@20", path)
    assert path.read_bytes() == once
    for name in ("A", "B", "C", "split s, old_user_old_item", "picked by test"):
        assert f"<!-- {name} -->" in once.decode()
