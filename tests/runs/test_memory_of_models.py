"""No number under ``model.net`` may ask for memory that the estimate does not see."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from micrec_pyg.cli.config import experiment
from micrec_pyg.runs import memory
from micrec_pyg.schema import DomainSize, InputError

MODELS = Path(__file__).parents[2] / "conf" / "model"
HUGE, FREE = 2_000_000_000, 16 * 2**30
BOUNDED = {
    "num_layers": "at most 1,000",
    "num_item_layers": "at most 1,000",
    "anneal_epochs": "no shape",
    "max_dense": "no more rows than nodes",
    "content_dim": "no more axes than the content has",
    "content_width": "no more axes than the content has",
    "modalities": "weights by name, or names",
}
"""Why a setting that is a number cannot make a model larger than the data."""

SHAPES = {
    name: DomainSize(
        num_users=30_000,
        num_items=30_000,
        num_user_templates=10,
        num_item_templates=10,
        widths={"text": 8, "image": 8},
    )
    for name in ("a", "b")
}
SIZE = memory.Size(users=30_000, items=30_000, edges=9, widths=16)


OF_DATA = {"k", "num_negatives"}
"""The estimate grows with them, up to the number of items."""
ALWAYS = {"idcf", "item_knn", "multivae", "unicdr"}
"""Together they have every kind of setting; the others are many."""


def models():
    """Return the names of all models, most of them marked as slow together."""
    names = sorted(path.stem for path in MODELS.glob("*.yaml"))
    return [
        name if name in ALWAYS else pytest.param(name, marks=pytest.mark.fuzz)
        for name in names
    ]


def huge_settings(model: str):
    """Yield the key and a huge value of every setting that holds whole numbers."""
    text = (MODELS / f"{model}.yaml").read_text()
    net: Mapping[str, object] = yaml.safe_load(text)["net"]
    for key, value in net.items():
        if key in BOUNDED or isinstance(value, bool):
            continue
        if isinstance(value, int):
            yield key, HUGE
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield key, [HUGE]


def test_a_term_takes_no_memory_of_the_net_away() -> None:
    small = replace(SIZE, users=10, items=10)
    alone, with_term = (
        memory.estimate(
            experiment(["data=synthetic", "model=neumf", "device=cpu", *term]), [small]
        )
        for term in ([], ["term=ease_xc"])
    )
    assert with_term.host >= alone.host


@pytest.mark.parametrize("model", models())
def test_no_setting_of_a_model_is_outside_of_the_estimate(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device, taken: FREE)
    usual = experiment(
        ["data=synthetic", f"model={model}", "device=cpu", "logger=none"]
    )
    memory.check_parameters(usual, SHAPES)
    before = memory.estimate(usual, [SIZE]).host
    for key, value in huge_settings(model):
        changed = replace(usual, make_model=partial(usual.make_model, **{key: value}))
        growth = memory.estimate(changed, [SIZE]).host - before
        if growth > (0 if key in OF_DATA else FREE):
            continue
        with pytest.raises(InputError, match="lower the widths and numbers"):
            memory.check_parameters(changed, SHAPES)
