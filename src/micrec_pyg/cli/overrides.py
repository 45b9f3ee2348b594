"""What is typed as KEY=VALUE, in the form that Hydra's grammar reads."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Sweep
from hydra.errors import HydraException

from micrec_pyg.cli.config_errors import options
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.setting_types import LONGEST, shown
from micrec_pyg.schema import InputError

Groups = Mapping[str, Sequence[str]]
"""The options of every group."""

KEY = re.compile(r"(~|\+\+?)?[^\W\d][\w./-]*")
"""What stands before the =; with + it is added, with ~ Hydra would delete it."""

PLAIN = re.compile(r"[\w./:+-]+")
"""A text that Hydra reads as it is."""

STRUCTURE = frozenset("'\"[]{}(),$")
"""A value with one of these may be meant as a list, a mapping, a choice or a text."""


def readable(arguments: Sequence[str], *, sweep: bool = False) -> list[str]:
    """Return arguments as Hydra reads them; a plain text gets the quotes it needs.

    ``~/`` at the beginning of a value is the home folder, as for a shell.

    Args:
        arguments: Overrides, and flags of Hydra, which stay as they are.
        sweep: Whether commas stand between texts, the values of a sweep.

    Raises:
        InputError: Hydra cannot read one and it is no plain text, or it deletes
            a setting.
    """
    parser, groups = OverridesParser.create(), options(conf_dir())
    return [
        argument
        if argument.startswith("-")
        else _readable(argument, parser, groups, sweep=sweep)
        for argument in arguments
    ]


def places_of(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings of a sweep that have one value each, as Hydra reads them.

    Args:
        arguments: Overrides, and flags of Hydra.

    Raises:
        InputError: See ``readable``.
    """
    parser = OverridesParser.create()
    given = [text for text in arguments if not text.startswith("-")]
    found = parser.parse_overrides(readable(given, sweep=True))
    return {
        each.key_or_group: str(each.value())
        for each in found
        if not each.is_sweep_override()
    }


def folder_settings(path: str | Path) -> list[str]:
    """Return the settings that read the own catalogue in a folder."""
    return ["data=tables", f"data.path={written(str(path))}"]


def written(value: Any) -> str:
    """Return a value as Hydra reads it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    text = str(value)
    if PLAIN.fullmatch(text):
        return text
    # a backslash counts only before a quote
    inner = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{inner}'"


def _readable(
    argument: str, parser: OverridesParser, groups: Groups, *, sweep: bool
) -> str:
    key, sign, value = argument.partition("=")
    _check_key(argument, key)
    plain = bool(sign) and not (STRUCTURE - {"," if sweep else ""}) & set(value)
    if plain and value.startswith("~/"):
        value = os.path.expanduser(value)
    texts = value.split(",") if sweep else [value]
    quoted = f"{key}={','.join(map(_quoted, texts))}"
    for text in (f"{key}{sign}{value}", quoted if plain else ""):
        override = _parsed(text, parser)
        if override is not None:
            _check_option(argument, override, groups)
            return text
    if not sign:
        raise InputError(
            f"{shown(argument)} cannot be read: give KEY=VALUE, such as K=3"
        )
    raise InputError(
        f"{shown(argument)} cannot be read: a list is [a,b], a mapping {{a: 1}}, and a "
        f"text with signs of its own stands in quotes twice: '{key}=\"...\"'"
    )


def _check_key(argument: str, key: str) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in argument):
        raise InputError(
            f"{shown(argument)}: this is no UTF-8; rename what it names, or set the "
            "locale to UTF-8"
        )
    if not KEY.fullmatch(key):
        raise InputError(
            f"{shown(argument)} cannot be read: give KEY=VALUE, such as K=3"
        )
    if key.startswith("~"):
        raise InputError(
            f"{shown(argument)}: a setting is not deleted; give it another value, as "
            f"{key.lstrip('~')}=VALUE"
        )


def _check_option(argument: str, override: Override, groups: Groups) -> None:
    """Refuse what cannot be the name of an option of a group."""
    valid = groups.get(override.key_or_group)
    if valid is None:
        return
    value = override.value()
    names = value.list if isinstance(value, ChoiceSweep) else [value]
    if not all(isinstance(each, Sweep) or _is_name(each) for each in names):
        raise InputError(f"{shown(argument)}: give one of {', '.join(valid)}")


def _is_name(value: object) -> bool:
    # ../ would read a file of another group
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        return False
    return "$" not in value and ".." not in value


def _parsed(text: str, parser: OverridesParser) -> Override | None:
    if not text:
        return None
    try:
        return parser.parse_override(text)
    except (HydraException, ValueError):  # Python reads no number of 4,301 digits
        return None


def _quoted(value: str) -> str:
    """Return a value without quotes as a text in quotes."""
    end = len(value) - len(value.rstrip("\\"))
    return f'"{value}{end * chr(92)}"'  # backslashes before a quote count twice
