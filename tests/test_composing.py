"""Settings that are composed once are those that Hydra composes every time."""

import composing
import pytest
from hydra._internal import config_loader_impl
from omegaconf import OmegaConf

from micrec_pyg.cli.config import compose
from micrec_pyg.schema import InputError

OPTIONS = ["data=synthetic", "model=micrec", "features=none"]
VALUES = [[], ["seed=3", "model.net.dim=8"], ["loss=bpr", "fit.lr=1", "seed=4"]]


@pytest.mark.parametrize("values", VALUES)
def test_they_are_those_of_hydra(values, monkeypatch) -> None:
    for _ in range(2):
        found = compose([*OPTIONS, *values])
    monkeypatch.setattr(config_loader_impl, "create_defaults_list", composing.listed)
    loader = config_loader_impl.ConfigLoaderImpl
    name = "_compose_config_from_defaults_list"
    monkeypatch.setattr(loader, name, composing.merged)
    expected = compose([*OPTIONS, *values])
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
    assert found.hydra.runtime.choices == expected.hydra.runtime.choices


def test_a_change_of_one_is_in_no_other() -> None:
    one = compose(OPTIONS)
    one.seed = 7
    one.model.net.dim = 7
    other = compose(OPTIONS)
    assert 7 not in (other.seed, other.model.net.dim)


def test_what_is_wrong_is_refused_every_time() -> None:
    for _ in range(2):
        with pytest.raises(InputError, match="micrek"):
            compose(["data=synthetic", "model=micrek"])
        with pytest.raises(InputError, match="nothing"):
            compose([*OPTIONS, "nothing=1"])
