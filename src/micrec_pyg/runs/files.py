"""Files that are written whole or not at all, and read again."""

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
    except (FileNotFoundError, NotADirectoryError) as error:
        raise unfinished(path) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); delete the "
            "folder and train again"
        ) from error
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved settings of a run, as they were written.

    Raises:
        InputError: The folder is none of a run.
    """
    path = folder / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise unfinished(path) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: a mapping of settings is needed")
    return config


def unfinished(path: Path) -> InputError:
    """Return the error for a run without one of its files."""
    return InputError(
        f"{path} is missing, so '{path.parent}' is no finished run; give the folder "
        "that `micrec train` printed, or train it to its end"
    )
