"""What ``micrec data check`` and ``micrec data stats`` are asked to look at."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from micrec_pyg.cli.config import Config, composed
from micrec_pyg.cli.overrides import folder_settings
from micrec_pyg.schema import InputError


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Give a parser the argument ``settings``: a folder, or keys of ``data``."""
    parser.add_argument(
        "settings",
        nargs="+",
        metavar="PATH|data=NAME|KEY=VALUE",
        help="a folder in the own-catalogue format, or data=NAME as for `micrec "
        "train`; and options of it, such as data.rating_min=4",
    )


def data_config(settings: Sequence[str]) -> Config:
    """Return the resolved group ``data`` that the settings describe.

    Raises:
        InputError: a key or value cannot be used, or there are two folders.
    """
    paths = [s for s in settings if "=" not in s or Path(s).expanduser().exists()]
    overrides = [s for s in settings if s not in paths]
    named = any(s.startswith(("data=", "data.path=")) for s in overrides)
    if len(paths) + named != 1:
        raise InputError(
            f"{' '.join(settings)}: give one folder, or data=NAME, and then options"
        )
    if paths:
        overrides += folder_settings(paths[0])
    elif not any(s.startswith("data=") for s in overrides):
        overrides.append("data=tables")
    config: Config = composed([*overrides, "device=cpu"])["data"]
    return config
