"""Configuration: from overrides to resolved and checked values."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from micrec_pyg.cli.config_errors import explain
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.device import check_device
from micrec_pyg.schema import InputError

if TYPE_CHECKING:
    from micrec_pyg.runs.experiment import Experiment

NAME = "train"
VERSION_BASE = "1.3"

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
            return hydra_compose(NAME, list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
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
    """Return the option of every group in the running Hydra job."""
    return dict(HydraConfig.get().runtime.choices)


def resolved(config: Any, choices: Mapping[str, Any]) -> Config:
    """Return plain values, with ``device``, ``dataset`` and ``split_name`` filled in.

    Raises:
        InputError: A value is missing or impossible.
    """
    register_resolvers()
    config = config.copy()
    OmegaConf.set_struct(config, False)
    config.pop("hydra", None)
    check(config)  # before other values are computed from these
    try:
        config.device = check_device(str(config.device))
        if config.dataset is None:
            config.dataset = _dataset(config, choices)
        if config.split_name is None:
            config.split_name = choices["split"]
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise explain(error, conf_dir()) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def check(config: Any) -> None:
    """Refuse sweep values that no run could use.

    Raises:
        InputError: The first impossible value.
    """
    for name in ("K", "seed"):
        value = config[name]
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < 0:
            raise InputError(f"{name}={value}: give a whole number of 0 or more")
    if not _is_number(config["w"]) or not 0 <= config["w"] <= 1:
        raise InputError(
            f"w={config['w']}: the weight of text must be a number in [0, 1]"
        )
    ratio = config["overlap_ratio"]
    if not _is_number(ratio) or not 0 <= ratio <= 1:
        raise InputError(
            f"overlap_ratio={ratio}: give a share in [0, 1]; 1 keeps all links "
            "between the domains, 0 hides them"
        )
    if config.get("pair") is not None and "pair" not in config["data"]:
        raise InputError(
            f"pair={config['pair']}: the chosen data has no categories; give "
            "data=amazon2014, data=amazon2018 or data=amazon2023 with it"
        )
    gamma = config["gamma"]
    if not _is_number(gamma) or gamma < 0:
        raise InputError(
            f"gamma={gamma}: give a number of 0 or more; 0 switches the contrastive "
            "loss off"
        )


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(float(str(value)))


def _dataset(config: Any, choices: Mapping[str, Any]) -> str:
    """Return the name of the data: with its pair, or that of an own folder."""
    pair = config.data.get("pair")
    if pair is not None:
        parts = [pair] if isinstance(pair, str) else list(pair)
        return "_".join([str(choices["data"]), *parts])
    if choices["data"] != "tables":
        return str(choices["data"])
    return Path(str(config.data.path)).resolve().name
