"""Results as tables: accuracy and counts, then what the lists are like."""

from unittest.mock import Mock

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.grids import FEW_NOTE, grids
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.runs.results import run_card

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


def test_a_card_explains_the_mark_where_it_stands() -> None:
    few = {"A": {"new_item": {"recall@20": 1.0, "candidates": 5}}}
    many = {"A": {"all": {"recall@20": 0.5, "candidates": 500}}}
    facts = dict.fromkeys(
        ("model", "dataset", "seed", "split", "device", "test_evaluations"), "x"
    )
    metrics = {
        **facts,
        "versions": {},
        "epochs": 0,
        "timing": {"fit_s": 1.0, "train_epoch_s": 1.0},
        "peak_memory_mb": 1.0,
    }
    experiment = Mock(spec=Experiment, settings={})
    inputs = Mock(spec=Inputs, splits={}, domains={})
    for val, test in ((few, many), (many, few), (many, many), (few, few)):
        card = run_card({**metrics, "val": val, "test": test}, experiment, inputs)
        parts = card.split("## Validation")[1].split("## Test")
        assert [FEW_NOTE in part for part in parts] == [val is few, test is few]
