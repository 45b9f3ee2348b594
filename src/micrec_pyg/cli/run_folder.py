"""The files of a run: where they lie, how they are written and read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import json_digest

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
    return json_digest(_decisive(config))[:8]


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


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file of a run.

    Raises:
        InputError: It is missing or not JSON.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfinished(path) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); delete the "
            "folder and train again"
        ) from error
    except UnicodeDecodeError as error:
        raise _damaged(path, error) from error
    if not isinstance(value, dict):
        raise _damaged(path, "a mapping is needed")
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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: a mapping of settings is needed")
    return config


def _damaged(path: Path, reason: object) -> InputError:
    return InputError(f"{path}: {reason}; delete the folder and train again")


def _unfinished(path: Path) -> InputError:
    return InputError(
        f"{path} is missing, so '{path.parent}' is no finished run; give the folder "
        "that `micrec train` printed, or train it to its end"
    )
