"""The plain files of a run, read again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

SCHEMA = 1
"""Version of ``metrics.json``."""
RECORD = {"dataset": str, "model": str, "split": str, "seed": int}
"""What every ``metrics.json`` has, and of which kind."""
NUMBERS = {"val": 3, "test": 3, "timing": 1}
"""What holds numbers alone, where it is there, and at how many levels of names."""


ANEW = "delete the folder and train again"
"""What to do about a damaged file of a run."""


def read_json(path: Path, remedy: str = ANEW) -> dict[str, Any]:
    """Return the content of a JSON file, of a run as a rule.

    Args:
        path: The file.
        remedy: What to do about it if it is damaged.

    Raises:
        InputError: It is missing or not JSON.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise unfinished(path) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); {remedy}"
        ) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or beyond all bounds
        raise InputError(f"{path}: {error}; {remedy}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: a mapping is needed; {remedy}")
    return value


def check_record(record: Mapping[str, Any], path: Path) -> None:
    """Refuse a ``metrics.json`` whose values are not what others will read.

    Args:
        record: Its content.
        path: For the message.

    Raises:
        InputError: A key is missing, or its value is of another kind.
    """
    missing = RECORD.keys() - record.keys()
    if missing:
        raise InputError(f"{path}: the keys {sorted(missing)} are missing; {ANEW}")
    for key, kind in RECORD.items():
        if not isinstance(record[key], kind) or isinstance(record[key], bool):
            raise InputError(
                f"{path}: {key} is {record[key]!r}, {kind.__name__} is needed; {ANEW}"
            )
    for part, depth in NUMBERS.items():
        if part in record and not _is_numbers(record[part], depth):
            raise InputError(
                f"{path}: {part} has something else than numbers by name; {ANEW}"
            )


def _is_numbers(value: Any, depth: int) -> bool:
    """Return whether a value is numbers by name, at so many levels of names."""
    if depth == 0:
        return value is None or isinstance(value, int | float)
    return isinstance(value, Mapping) and all(
        _is_numbers(each, depth - 1) for each in value.values()
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved settings of a run, as they were written.

    Raises:
        InputError: The folder is none of a run.
    """
    path = folder / "config.yaml"
    if not path.exists():
        raise unfinished(path)
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise InputError(f"{path}: a mapping of settings is needed")
    return config


def unfinished(path: Path) -> InputError:
    """Return the error for a run without one of its files."""
    return InputError(
        f"{path} is missing, so '{path.parent}' is no finished run; give the folder "
        "that `micrec train` printed, or train it to its end"
    )
