"""Hydra's and OmegaConf's errors in the user's words."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue

from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import broken, read_yaml

_OVERRIDE = re.compile(r"Could not override '([^']+)'")
_OPTION = re.compile(r"Could not find '([^']+)/([^'/]+)'")
_DELETE = re.compile(r"Could not delete from config\. '([^']+)'")
_REFERENCE = re.compile(r"Interpolation key '([^']+)' not found")
_MERGING = re.compile(r"Error merging override (.+)")
_AMBIGUOUS = re.compile(r"Ambiguous value for argument '(.+?)'$", re.MULTILINE)
PLUGINS = ("hydra/launcher", "hydra/sweeper")
"""Groups whose options are packages."""
FEW = 3
"""Options of one folder that are listed one by one."""
EXPERIMENT = "experiment"
"""The group whose files set keys of others, and have none of their own."""


def explain(error: Exception, folder: Path) -> InputError:
    """Return what the user can do about an error of composing or resolving.

    Args:
        error: Of Hydra or OmegaConf, or of a file that is no YAML.
        folder: The folder of the yaml files, whose keys and options are the valid ones.
    """
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        return InputError(broken(error, mark.name if mark else f"a file of {folder}"))
    text = str(error)
    if found := _AMBIGUOUS.search(text) or _MERGING.search(text):
        return InputError(_misfit(found[1], ambiguous="Ambiguous" in text))
    if found := _OPTION.search(text):
        return InputError(_unknown_option(found[1], found[2], folder))
    if found := _OVERRIDE.search(text) or _DELETE.search(text):
        inner = str(getattr(error.__cause__, "full_key", None) or "")
        if inner.startswith(f"{found[1]}."):
            return InputError(f"{inner} is no key yet; one is added by +{inner}=VALUE")
        return InputError(unknown_key(found[1], folder))
    return InputError(_unresolved(error, text))


def _misfit(override: str, *, ambiguous: bool) -> str:
    """Return the sentence about a value that does not fit the kind of its key."""
    key, _, value = override.partition("=")
    if not ambiguous:
        return (
            f"{override}: {key} takes a value of another kind, such as the one that "
            "its file in conf/ has"
        )
    return (
        f"{override}: a comma separates the values of a sweep (-m); a list is [a,b], "
        f"and a text with a comma stands in quotes twice: '{key}=\"{value}\"'"
    )


def _unresolved(error: Exception, text: str) -> str:
    """Return the sentence about a value that is missing or refers to nothing."""
    key = getattr(error, "full_key", None)
    if isinstance(error, MissingMandatoryValue):
        key = key or text.removeprefix("Missing mandatory")
        return f"{key} has no value; give {key}=..."
    if isinstance(error, InterpolationKeyError) and (found := _REFERENCE.search(text)):
        return (
            f"{key}=${{{found[1]}}}: there is no setting '{found[1]}' to refer to; a "
            f"text with ${{ stands in quotes with a backslash: '{key}=\\${{...}}'"
        )
    first = " ".join(text.split("\nSee ")[0].split()).split(" full_key: ")[0]
    return f"{key or 'the settings'} cannot be read: {first}"


def options(folder: Path) -> dict[str, list[str]]:
    """Return the options of every group, such as {"split": ["random", ...]}."""
    # a name that begins with _ is no option but what several options include
    return {
        group: sorted(
            path.relative_to(folder / group).with_suffix("").as_posix()
            for path in (folder / group).rglob("[!_]*.yaml")
        )
        for group in _groups(folder)
    }


def listed(names: Sequence[str]) -> list[str]:
    """Return options as people read them: many of one folder as one, counted."""
    counts = Counter(name.rpartition("/")[0] for name in names)
    found = {}
    for name in names:
        place, slash, _ = name.rpartition("/")
        many = slash and counts[place] > FEW
        found[f"{place}/... ({counts[place]} files)" if many else name] = True
    return [*found]


def valid_keys(folder: Path) -> dict[str, list[str]]:
    """Return every dotted key, and the options of its group that have it."""
    found: dict[str, list[str]] = {key: [] for key in _keys(_main(folder), "")}
    groups = options(folder)
    found.update(groups)
    del groups[EXPERIMENT]
    for group, names in groups.items():
        for name in names:
            for key in dict.fromkeys(_option_keys(folder / group, name, folder)):
                found.setdefault(f"{group}.{key}", []).append(name)
    return found


def _option_keys(place: Path, name: str, folder: Path) -> Iterator[str]:
    """Yield the keys of an option, and those of the options that it is made from."""
    content = _read(place / f"{name}.yaml") or {}
    for entry in content.get("defaults", []):
        # NAME of the same group, or /GROUP/NAME@_here_
        base = str(entry).partition("@")[0]
        if base != "_self_":
            from_top = base.startswith("/")
            yield from _option_keys(
                folder if from_top else place, base.lstrip("/"), folder
            )
    yield from _keys(content, "")


def _groups(folder: Path) -> list[str]:
    return [key for entry in _main(folder)["defaults"] for key in _group(entry)]


def _main(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(folder / "train.yaml")
    return content


def _read(path: Path) -> Any:
    # of all options there are a hundred files: libyaml reads them ten times as fast
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except yaml.YAMLError:  # told where it is chosen; it has no valid key meanwhile
        return {}


def _group(entry: str | Mapping[str, str | None]) -> list[str]:
    """Return the group that an entry of a defaults list names, if it does."""
    if isinstance(entry, str):
        return []
    return [key for key in entry if not key.startswith("override ")]


def _keys(content: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in content.items():
        if str(key).startswith("_") or key in ("defaults", "hydra"):
            continue
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


def unknown_key(key: str, folder: Path) -> str:
    """Return the sentence about a key that does not exist, with the nearest one."""
    valid = valid_keys(folder)
    group = key.split(".")[0]
    if key in valid and "." in key:
        which = " or ".join(f"{group}={option}" for option in valid[key])
        return f"'{key}' is no key of the chosen {group}; it belongs to {which}"
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    # somebody who forgets the group writes max_epochs for fit.max_epochs
    near = [name for name in valid if name.split(".")[-1] == key] or near
    if near:
        return f"unknown key '{key}'; the nearest valid key is '{near[0]}'"
    top = [name for name in valid if "." not in name]
    return f"unknown key '{key}'; valid keys are {', '.join(sorted(top))}"


def _unknown_option(group: str, option: str, folder: Path) -> str:
    if group not in PLUGINS:  # an option may lie in a folder of its group
        group, _, option = f"{group}/{option}".partition("/")
    valid = options(folder).get(group)
    if group in PLUGINS:
        return (
            f"{group}={option} is not installed; pip install 'micrec_pyg[joblib]' "
            "brings hydra/launcher=joblib (--jobs N), [slurm] submitit_slurm, [ray] ray"
        )
    if not valid:
        return unknown_key(group, folder)
    near = difflib.get_close_matches(option, valid, n=1)
    guess = f"; did you mean {group}={near[0]}?" if near else ""
    place = f"{option.rpartition('/')[0]}/"
    beside = [name for name in valid if name.startswith(place)]
    return (
        f"unknown option {group}={option}; valid are "
        f"{', '.join(beside or listed(valid))}{guess}"
    )
