"""Results of all groups as tables of text."""

from collections.abc import Mapping

from micrec_pyg.evaluation.metrics import METRICS

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
            [*key, *(_cell(values.get(name)) for name in columns)]
            for key, values in rows.items()
            if any(name in values for name in columns)
        ]
        if lines:
            found.append([["domain", "group", *columns], *lines])
    return found


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
