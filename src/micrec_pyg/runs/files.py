"""The plain files of a run, read again."""

import json
from pathlib import Path
from typing import Any

from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

SCHEMA = 1
"""Version of ``metrics.json``."""


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
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}; {remedy}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: a mapping is needed; {remedy}")
    return value


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
