"""The yaml of the evaluation is its call."""

import inspect
from pathlib import Path

import yaml

from micrec_pyg.evaluation.evaluate import evaluate

CONF = Path(__file__).parents[2] / "conf" / "rank" / "default.yaml"


def test_keys_are_the_keyword_arguments() -> None:
    config = yaml.safe_load(CONF.read_text(encoding="utf-8"))
    assert config.pop("_target_") == f"{evaluate.__module__}.{evaluate.__name__}"
    assert config.pop("_partial_") is True
    given_in_code = {"model", "stage", "train"}
    assert set(config) == set(inspect.signature(evaluate).parameters) - given_in_code
