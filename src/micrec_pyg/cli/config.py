"""Configuration: from overrides to resolved and checked values."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from micrec_pyg.cli.config_errors import explain, unknown_key
from micrec_pyg.cli.overrides import readable
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.device import check_device
from micrec_pyg.runs.setting_types import check_value
from micrec_pyg.runs.settings import Axes, Pair, Settings
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

if TYPE_CHECKING:
    from micrec_pyg.runs.experiment import Experiment

NAME = "train"
VERSION_BASE = "1.3"

OF_MODEL = ("name", "num_neighbors", "weights", "net")
"""Keys of every file of ``conf/model``."""

Config = dict[str, Any]
"""A resolved configuration: plain dicts, lists and scalars."""


def register_resolvers() -> None:
    """Make ``${product:a,b}``, the product of numbers, known to yaml files."""
    OmegaConf.register_new_resolver(
        "product", lambda *factors: math.prod(map(float, factors)), replace=True
    )


def compose(overrides: Sequence[str]) -> Any:
    """Return the ``DictConfig`` of one run, not yet resolved, with ``hydra`` in it.

    Raises:
        InputError: An override names an unknown key or option, or cannot be read.
    """
    register_resolvers()
    folder = conf_dir()
    try:
        with initialize_config_dir(str(folder), version_base=VERSION_BASE):
            return hydra_compose(NAME, readable(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise explain(error, folder) from error


def composed(overrides: Sequence[str]) -> Config:
    """Return the resolved and checked configuration of one run.

    Raises:
        InputError: See ``compose`` and ``resolved``.
    """
    config = compose(overrides)
    choices = dict(config.hydra.runtime.choices)
    return resolved(config, choices)


def experiment(overrides: Sequence[str]) -> "Experiment":
    """Return the run that overrides describe.

    Raises:
        InputError: See ``compose``, ``resolved`` and ``experiment_of``.
    """
    # settings can be shown and checked without torch, which this loads
    from micrec_pyg.runs.experiment import experiment_of

    return experiment_of(composed(overrides))


def current_choices() -> dict[str, str]:
    """Return the option of every group in the running Hydra job that has one."""
    choices = HydraConfig.get().runtime.choices
    return {group: option for group, option in choices.items() if option is not None}


def resolved(config: Any, choices: Mapping[str, Any]) -> Config:
    """Return plain values, with ``device``, ``dataset`` and ``split_name`` filled in.

    Raises:
        InputError: A value is missing or impossible.
    """
    register_resolvers()
    config = config.copy()
    OmegaConf.set_struct(config, False)
    config.pop("hydra", None)
    try:
        _check_keys(config)
        _check_model(config["model"], choices.get("model"))
        for name, kind in get_type_hints(Axes, include_extras=True).items():
            # first: other values are computed from these
            check_value(_plain(config[name]), kind, name)
        _check_pair(config)
        config.device = check_device(str(config.device))
        if config.dataset is None:
            config.dataset = _dataset(config, choices)
        if config.split_name is None:
            config.split_name = choices["split"]
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise explain(error, conf_dir()) from error
    assert isinstance(plain, dict)
    for name, kind in get_type_hints(Settings, include_extras=True).items():
        check_value(plain[name], kind, name)
    return {str(key): value for key, value in plain.items()}


def _check_keys(config: Any) -> None:
    """Refuse settings with an unknown key."""
    for name in config:
        if name not in get_type_hints(Settings):
            raise InputError(unknown_key(str(name), conf_dir()))


def _check_model(model: Any, option: object) -> None:
    """Refuse a model whose file lacks a part, or calls it as another one.

    Its name is that of the folder of its runs.
    """
    path = conf_dir() / "model" / f"{option}.yaml"
    if option is None or not path.is_file():
        return
    if lacking := [key for key in OF_MODEL if key not in model]:
        raise InputError(
            f"{path}: {', '.join(lacking)} is missing; a model has "
            f"{', '.join(OF_MODEL)} (docs/adding_a_baseline.md)"
        )
    name = _own_name(path) or str(model["name"])
    if name != path.stem:
        raise InputError(
            f"{path}: its name is '{name}', so its runs would lie among those "
            f"of another model; give name: {path.stem}"
        )


@cache
def _own_name(path: Path) -> str | None:
    """Return the name in the file of a model; who overrides it means another one."""
    name = read_yaml(path).get("name")
    return None if name is None else str(name)


def _check_pair(config: Any) -> None:
    if config.get("pair") is not None and "pair" not in config["data"]:
        raise InputError(
            f"pair={config['pair']}: the chosen data has no categories; give "
            "data=amazon2014, data=amazon2018 or data=amazon2023 with it"
        )
    check_value(_plain(config["data"].get("pair")), Pair, "data.pair")


def _plain(value: Any) -> Any:
    """Return a value with the lists and mappings of Python, not of OmegaConf."""
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _dataset(config: Any, choices: Mapping[str, Any]) -> str:
    """Return the name of the data: with its pair, or that of an own folder."""
    pair = config.data.get("pair")
    if pair is not None:
        parts = [pair] if isinstance(pair, str) else list(pair)
        return "_".join([str(choices["data"]), *parts])
    if choices["data"] != "tables":
        return str(choices["data"])
    return Path(str(config.data.path)).resolve().name
