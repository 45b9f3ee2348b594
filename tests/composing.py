"""What Hydra makes of the files of conf/, kept for the next run of the same options.

Every command composes its settings from some twenty files, which takes longer than many
a test. Values of the command line are put in afterwards, by Hydra, every time.
"""

import pickle
from collections.abc import Hashable, Sequence
from functools import wraps
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList
from hydra.core.override_parser.types import Override

listed = config_loader_impl.create_defaults_list
merged = ConfigLoaderImpl._compose_config_from_defaults_list
LISTS: dict[Hashable, DefaultsList] = {}
TREES: dict[Hashable, bytes] = {}


def _places(repo: Any) -> tuple[str, ...]:
    """Return where files are looked for, in this order."""
    return tuple(f"{source.provider} {source.path}" for source in repo.get_sources())


@wraps(listed)
def list_once(
    repo: Any,
    config_name: str | None,
    overrides_list: Sequence[Override],
    prepend_hydra: bool,
    skip_missing: bool,
) -> DefaultsList:
    """Return which files make the settings; only options of groups decide that."""
    if any(override.is_sweep_override() for override in overrides_list):
        return listed(repo, config_name, overrides_list, prepend_hydra, skip_missing)
    options, values = [], []
    for each in overrides_list:
        group = repo.group_exists(each.key_or_group)
        group = group and not isinstance(each.value(), dict)
        (options if group else values).append(each)
    lines = tuple(each.input_line for each in options)
    key = (_places(repo), config_name, lines, prepend_hydra, skip_missing)
    if key not in LISTS:
        LISTS[key] = listed(repo, config_name, options, prepend_hydra, skip_missing)
    found = LISTS[key]
    return DefaultsList(
        defaults=found.defaults,
        config_overrides=values,
        defaults_tree=found.defaults_tree,
        overrides=found.overrides,
    )


@wraps(merged)
def merge_once(self: ConfigLoaderImpl, defaults: Any, repo: Any) -> Any:
    """Return the settings that these files make, before any value of a command."""
    key = (_places(repo), repr(defaults))
    if key not in TREES:
        TREES[key] = pickle.dumps(merged(self, defaults=defaults, repo=repo))
    return pickle.loads(TREES[key])


config_loader_impl.create_defaults_list = list_once
ConfigLoaderImpl._compose_config_from_defaults_list = merge_once
