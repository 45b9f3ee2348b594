"""Keys of a sweep that change no run, told before the sweep starts."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from micrec_pyg.cli import config as configs
from micrec_pyg.cli.config_errors import options
from micrec_pyg.cli.overrides import readable
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.identity import decisive
from micrec_pyg.schema import InputError

MOST_RUNS = 500
"""A larger sweep is not looked through: it would begin too late."""

PLACES = ("output_dir", "dataset", "split_name", "data", "split")
"""Keys that decide where a run lies and what it reads, beside the decisive ones."""

UNSEEN, WITHOUT_NEW = "model.net.unseen", ".random_ratio"
"""Key that decides about new nodes alone, and the end of the name of a split that has
none; runs that differ in it stay two, as they answer new nodes of a later day."""

Values = tuple[str, ...]
"""Of every key of the sweep, in their order."""


@dataclass(frozen=True)
class Axis:
    """One key of a sweep, with its values as texts of the command line."""

    key: str
    values: Sequence[str]


def without_effect(argv: Sequence[str]) -> list[str]:
    """Return a sentence for every key of a sweep whose values give equal runs.

    Two runs are equal if the settings that decide a result are. What only the data
    shows is not seen here: whether there are images beside texts, for example.

    Args:
        argv: Of ``micrec train -m``. What cannot be read gives no sentence: Hydra,
            which runs the sweep, refuses it.
    """
    try:
        overrides = readable(
            [arg for arg in argv if not arg.startswith("-")], sweep=True
        )
        parsed = OverridesParser.create().parse_overrides(overrides)
        axes = [_axis(each) for each in parsed if each.is_sweep_override()]
        fixed = [
            text
            for text, each in zip(overrides, parsed, strict=True)
            if not each.is_sweep_override()
        ]
        if any(each.is_hydra_override() for each in parsed):
            return []  # it may choose another sweeper
        runs = _identities(fixed, axes)
    except (HydraException, OmegaConfBaseException, InputError):
        return []
    return [text for place in range(len(axes)) for text in _told(axes, place, runs)]


def axes_of(argv: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of every key of a sweep that lists them.

    Args:
        argv: Of ``micrec train -m``. What cannot be read has no key here: Hydra, which
            runs the sweep, refuses it.
    """
    found = {}
    parser = OverridesParser.create()
    for text in argv:
        try:
            each = parser.parse_override(*readable([text], sweep=True))
        except (HydraException, InputError):
            continue
        if each.is_discrete_sweep():
            axis = _axis(each)
            found[axis.key.lstrip("+")] = list(axis.values)
    return found


def _axis(override: Override) -> Axis:
    """Return one key of the sweep.

    Raises:
        HydraException: Its values are not listed: an interval, or a pattern of names.
    """
    if not override.is_discrete_sweep():
        raise HydraException(f"{override.key_or_group} has no list of values")
    values = list(dict.fromkeys(override.sweep_string_iterator()))
    return Axis(override.get_key_element(), values)


def _identities(fixed: Sequence[str], axes: Sequence[Axis]) -> dict[Values, str]:
    """Return what makes each run of the sweep itself, by its values.

    Only groups are composed anew, which takes a third of a second each; other keys
    are set in what was composed.
    """
    combinations = list(product(*(axis.values for axis in axes)))
    if len(combinations) > MOST_RUNS:
        return {}
    groups = set(options(conf_dir()))
    composed: dict[Values, Any] = {}
    found = {}
    for values in combinations:
        pairs = [(axis.key, value) for axis, value in zip(axes, values, strict=True)]
        chosen = tuple(f"{k}={v}" for k, v in pairs if k.lstrip("+") in groups)
        if chosen not in composed:
            composed[chosen] = configs.compose([*fixed, *chosen])
        rest = [f"{k}={v}" for k, v in pairs if k.lstrip("+") not in groups]
        found[values] = _identity(composed[chosen], rest)
    return found


def _identity(config: Any, rest: Sequence[str]) -> str:
    """Return the decisive settings and the places of a run as text."""
    choices = dict(config.hydra.runtime.choices)
    changed = config.copy()
    OmegaConf.set_struct(changed, False)
    for each in OverridesParser.create().parse_overrides(list(rest)):
        OmegaConf.update(changed, each.key_or_group, each.value(), force_add=True)
    settings = configs.resolved(changed, choices)
    places = {key: settings[key] for key in PLACES}
    own = decisive(settings)
    if str(settings["split"]["_target_"]).endswith(WITHOUT_NEW):
        own.pop(UNSEEN, None)
    return json.dumps([own, places], sort_keys=True, default=str)


def _told(axes: Sequence[Axis], place: int, runs: Mapping[Values, str]) -> list[str]:
    """Return a sentence about one key; none if every value makes another run."""
    rows: dict[Values, list[str]] = defaultdict(list)
    for values, identity in runs.items():
        rows[values[:place] + values[place + 1 :]].append(identity)
    equal = [others for others, found in rows.items() if len({*found}) < len(found)]
    copies = sum(len(found) - len({*found}) for found in rows.values())
    if not copies:
        return []
    key = axes[place].key.lstrip("+")
    others = [axis.key.lstrip("+") for axis in (*axes[:place], *axes[place + 1 :])]
    where = ""
    if len(equal) < len(rows):
        where = f" where {_common(others, equal, list(rows))}"
    return [f"{key} has no effect{where}: {copies} of {len(runs)} runs are copies"]


def _common(
    keys: Sequence[str], equal: Sequence[Values], rows: Sequence[Values]
) -> str:
    """Return what some combinations of the other keys share and no other has.

    Args:
        keys: The other keys.
        equal: Combinations of their values where the key has no effect.
        rows: All combinations.
    """
    for place, key in enumerate(keys):
        values = list(dict.fromkeys(row[place] for row in equal))
        if sum(row[place] in values for row in rows) == len(equal):
            return f"{key}={','.join(values)}"
    first = " ".join(f"{k}={v}" for k, v in zip(keys, equal[0], strict=True))
    return f"{first}, and in {len(equal) - 1} more combinations"
