"""Reading options for tests: nothing is filtered, and a repeated pair is an error."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).parents[2] / "conf" / "data"
READING = {
    "domains": None,
    "text_fields": None,
    "text_sep": ". ",
    "rating_min": None,
    "duplicates": "error",
    "filters": None,
    "links": None,
    "split_by": None,
    "only": None,
}


def data_yaml(name: str) -> DictConfig:
    """Return what ``data=<name>`` is, interpolations not yet resolved."""
    shared, own = (OmegaConf.load(CONF / f"{each}.yaml") for each in ("_reading", name))
    merged = OmegaConf.merge(shared, own)
    assert merged.pop("defaults") == ["_reading", "_self_"]
    return merged
