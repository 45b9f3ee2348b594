"""The code that a run called by its settings, to be told if it has changed since."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.runs.build import is_node, target
from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import file_digest

CALLED = ("model.net", "term.net", "split")
"""Nodes of the settings whose code is compared: who writes a model or a protocol edits
it between two runs."""

KEY = "code"
"""Of ``metrics.json``: digests of files by what the settings call in them."""


def code_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the sha256 of the file of everything that a run calls by ``CALLED``.

    Args:
        settings: Resolved, as in ``config.yaml``.
    """
    found = {}
    for place in CALLED:
        node: Any = settings
        for key in place.split("."):
            node = node.get(key) if isinstance(node, Mapping) else None
        if is_node(node):
            path = _file(node)
            if path is not None:
                found[str(node["_target_"])] = file_digest(path)
    return found


def changed_code(settings: Mapping[str, Any], before: Mapping[str, str]) -> list[str]:
    """Return what a run calls whose file is not the one that it was trained with.

    Args:
        settings: Of the run.
        before: What ``code_of`` returned then; of a run of an earlier version, nothing.
    """
    return differing(code_of(settings), before)


def differing(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Return the names that have one digest now, and had another one before."""
    return [name for name, digest in before.items() if now.get(name, digest) != digest]


def _file(node: Mapping[str, Any]) -> Path | None:
    """Return the file that holds what a node calls; None where it has none."""
    try:
        found = inspect.getsourcefile(inspect.unwrap(target(node)))
    except (InputError, TypeError):
        return None
    return Path(found) if found and Path(found).is_file() else None
