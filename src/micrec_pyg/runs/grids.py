"""Results of all groups as tables of text."""

import math
from collections.abc import Mapping

from micrec_pyg.evaluation.metrics import METRICS

FEW = "‡"
"""Behind a value whose candidates all fit in the list."""

FEW_NOTE = f"{FEW} = at most k candidates: recall at k is 1 for any model."

Grid = list[list[str]]
"""A head, then rows."""


def grids(by_domain: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[Grid]:
    """Return tables of results, each a head and a row per domain and group.

    The first holds accuracy and counts, the second what the lists are like. A cell
    without a value is "-"; a row or table of such cells alone is left out.

    Args:
        by_domain: As ``evaluation.evaluate.summary`` returns it.
    """
    rows = {
        (domain, group): values
        for domain, groups in by_domain.items()
        for group, values in groups.items()
    }
    names = list(dict.fromkeys(name for values in rows.values() for name in values))
    accuracy = [name for name in names if name.partition("@")[0] in METRICS]
    counts = [name for name in names if "@" not in name]
    others = [name for name in names if name not in {*accuracy, *counts}]
    found = []
    for columns in ([*accuracy, *counts], others):
        lines = [
            [*key, *(_cell(name, values) for name in columns)]
            for key, values in rows.items()
            if any(name in values for name in columns)
        ]
        if lines:
            found.append([["domain", "group", *columns], *lines])
    return found


def _cell(name: str, values: Mapping[str, float]) -> str:
    value = values.get(name)
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    metric, _, k = name.partition("@")
    few = metric in METRICS and values.get("candidates", math.inf) <= int(k)
    return f"{value:.4f}{FEW if few else ''}"
