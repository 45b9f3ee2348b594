"""Results as tables: accuracy and counts, then what the lists are like."""

from micrec_pyg.runs.grids import grids

TEST = {
    "A": {
        "all": {"recall@5": 0.25, "novelty@5": 3.0, "users": 7, "coverage@5": 0.5},
        "has_image": {"recall@5": 0.125, "users": 4},
    },
    "B": {"all": {"recall@5": 1.0, "diversity_text@5": 0.75, "users": 1}},
}


def test_two_tables_with_a_cell_for_every_value() -> None:
    accuracy, lists = grids(TEST)
    assert accuracy == [
        ["domain", "group", "recall@5", "users"],
        ["A", "all", "0.2500", "7"],
        ["A", "has_image", "0.1250", "4"],
        ["B", "all", "1.0000", "1"],
    ]
    assert lists == [
        ["domain", "group", "novelty@5", "coverage@5", "diversity_text@5"],
        ["A", "all", "3.0000", "0.5000", "-"],
        ["B", "all", "-", "-", "0.7500"],
    ]


def test_a_list_that_holds_every_candidate_is_marked() -> None:
    values = {"recall@5": 1.0, "recall@10": 1.0, "candidates": 7, "gini@10": 0.5}
    accuracy, lists = grids({"A": {"new_item": values}})
    assert accuracy[1] == ["A", "new_item", "1.0000", "1.0000‡", "7"]
    assert lists[1] == ["A", "new_item", "0.5000"]


def test_nothing_gives_no_table() -> None:
    assert grids({"A": {}}) == grids({}) == []
    assert len(grids({"A": {"all": {"recall@5": 0.5}}})) == 1
