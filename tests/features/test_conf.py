"""Every yaml of conf/features builds the encoders that it names."""

from inspect import signature
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from micrec_pyg.features import (
    EfficientNetLite0,
    KnowledgeGraph,
    OpenClip,
    SentenceBert,
    make_features,
)

CONF = Path(__file__).parents[2] / "conf"
EXPECTED: dict[str, tuple[type | None, type | None]] = {
    "default": (SentenceBert, None),
    "with_images": (SentenceBert, EfficientNetLite0),
    "open_clip": (SentenceBert, OpenClip),
    "none": (None, None),
    "noise": (SentenceBert, None),
    "noise_with_images": (SentenceBert, EfficientNetLite0),
}
NOISE = {"noise", "noise_with_images"}


def test_no_yaml_is_forgotten() -> None:
    assert {path.stem for path in (CONF / "features").rglob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_yaml_holds_the_arguments_of_its_function(name: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=[f"+features={name}", "+device=cpu", "+seed=3"])

    call = instantiate(config.features)

    assert call.func is make_features
    named = set(signature(call.func).parameters) - {"catalogues", "encoders"}
    assert set(call.keywords) == named | {"text", "image"}
    assert call.keywords["noise"] == (name in NOISE)
    assert isinstance(call.keywords["kg"], KnowledgeGraph)
    assert (call.keywords["drop_rate"], call.keywords["seed"]) == (0, 3)
    text, image = EXPECTED[name]
    assert type(call.keywords["text"]) is (text or type(None))
    assert type(call.keywords["image"]) is (image or type(None))
    assert all(
        each is None or each.device == "cpu"
        for each in (call.keywords["text"], call.keywords["image"])
    )
