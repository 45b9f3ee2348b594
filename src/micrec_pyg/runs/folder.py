"""The files of a run: where they lie, how they are written and read."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from micrec_pyg.schema import InputError

SCHEMA = 1
"""Version of ``metrics.json``."""

INCIDENTAL = frozenset(
    {
        "output_dir",
        "cache_dir",
        "knn_lists",
        "checkpoint_every_s",
        "cuda_graph",
        "logger",
        "device",
        "spmm",
    }
)
"""Settings, at any depth, that change where and how fast, not what comes out."""


def run_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder of the run with this configuration."""
    settings = "-".join(f"{k}{config[k]:g}" for k in ("K", "w", "gamma"))
    run = f"{config['split_name']}-{settings}-s{config['seed']}-{run_hash(config)}"
    model: str = config["model"]["name"]
    return Path(config["output_dir"], config["dataset"], model, run)


def run_hash(config: Mapping[str, Any]) -> str:
    """Return 8 hex digits of the sha256 of every setting that decides the result."""
    decisive = json.dumps(_decisive(config), sort_keys=True)
    return hashlib.sha256(decisive.encode()).hexdigest()[:8]


def _decisive(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if k not in INCIDENTAL}
        return {str(k): _decisive(v) for k, v in kept.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)  # gamma=1 and gamma=1.0 are one run
    return value


def is_complete(folder: Path) -> bool:
    """Return whether training has finished: ``metrics.json`` is written last."""
    return (folder / "metrics.json").is_file()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write a YAML file whole or not at all, keys in the order given."""
    write_text(path, yaml.safe_dump(dict(value), sort_keys=False))


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a table whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    frame.write_parquet(part)
    os.replace(part, path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file of a run.

    Raises:
        InputError: It is missing or not JSON.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfinished(path) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); delete the "
            "folder and train again"
        ) from error
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved configuration of a run.

    Raises:
        InputError: The folder is none of a run.
    """
    path = folder / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _unfinished(path) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: a mapping of settings is needed")
    return config


def _unfinished(path: Path) -> InputError:
    return InputError(
        f"{path} is missing, so '{path.parent}' is no finished run; give the folder "
        "that `micrec train` printed, or train it to its end"
    )
