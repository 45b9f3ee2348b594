"""What is typed as KEY=VALUE, in the form that Hydra's grammar reads."""

import os
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from micrec_pyg.cli.config_errors import options
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.schema import InputError

GROUPS = ("data", "split", "features", "graph", "model", "fit", "rank", "logger")
"""Keys whose value is the name of an option: a file of conf/<group>."""

STRUCTURE = frozenset("'\"[]{}(),$")
"""A value with one of these may be meant as a list, a mapping, a choice or a text."""


def readable(arguments: Sequence[str]) -> list[str]:
    """Return arguments as Hydra reads them; a plain text gets the quotes it needs.

    ``~/`` at the beginning of a value is the home folder, as for a shell.

    Args:
        arguments: Overrides, and flags of Hydra, which stay as they are.

    Raises:
        InputError: Hydra cannot read one and it is no plain text, or it deletes a key.
    """
    parser = OverridesParser.create()
    return [
        argument if argument.startswith("-") else _readable(argument, parser)
        for argument in arguments
    ]


def _readable(argument: str, parser: OverridesParser) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in argument):
        raise InputError(
            f"{argument}: this is no UTF-8; rename what it names, or set the locale to "
            "UTF-8"
        )
    key, sign, value = argument.partition("=")
    if key in GROUPS and "null" in value.split(","):
        raise InputError(
            f"{argument}: give one of {', '.join(options(conf_dir())[key])}"
        )
    if argument.startswith("~") and "." in key:
        raise InputError(
            f"{argument}: settings are not deleted; give the key a value, such as "
            f"{key.lstrip('~')}=null"
        )
    plain = bool(sign) and not STRUCTURE & set(value)
    if plain and value.startswith("~/"):
        value = os.path.expanduser(value)
    for text in (f"{key}{sign}{value}", f"{key}={_quoted(value)}" if plain else ""):
        if text and _is_read(text, parser):
            return text
    if not sign:
        raise InputError(f"{argument} cannot be read: give KEY=VALUE, such as K=3")
    raise InputError(
        f"{argument} cannot be read: a list is [a,b], a mapping {{a: 1}}, and a text "
        f"with signs of its own stands in quotes twice: '{key}=\"...\"'"
    )


def _is_read(text: str, parser: OverridesParser) -> bool:
    try:
        parser.parse_override(text)
    except HydraException:
        return False
    return True


def _quoted(value: str) -> str:
    """Return a value without quotes as a text in quotes."""
    end = len(value) - len(value.rstrip("\\"))
    return f'"{value}{end * chr(92)}"'  # backslashes before a quote count twice
