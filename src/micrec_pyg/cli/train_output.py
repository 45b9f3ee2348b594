"""What a finished run prints: how it did on validation, and what to do next."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.grid import aligned
from micrec_pyg.runs.averages import AVERAGE, average
from micrec_pyg.runs.read import read_run

SHOWN = ("recall", "ndcg", "precision")
"""Metrics of the table; ``metrics.json`` has all."""


def summary(folder: Path) -> str:
    """Return the validation results of a run and the next command, without its path.

    Args:
        folder: Of a finished run.

    Raises:
        InputError: It is no finished run.
    """
    run = read_run(folder)
    record = run.record
    which = f"epoch {record['best_epoch'] + 1}, the best of {record['epochs']}"
    if run.was_cut:
        which += " (all of fit.max_epochs, more may be better)"
    if not record["epochs"]:
        which = "the start values, as no epoch was trained (fit.max_epochs=0)"
    return "\n".join(
        [
            f"validation results of {which}:",
            *validation_table(record["val"]),
            f"next, the test results: micrec evaluate {shlex.quote(str(folder))}",
            "",
        ]
    )


def validation_table(
    val: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> list[str]:
    """Return a line per domain and the average, for the largest cut-off.

    Args:
        val: By domain, group and metric, as in ``metrics.json``.
    """
    rows = {domain: next(iter(groups.values())) for domain, groups in val.items()}
    widest = {group for groups in val.values() for group in groups} - {"all"}
    known = next(iter(rows.values()))
    k = max(int(name.partition("@")[2]) for name in known if "@" in name)
    names = [f"{metric}@{k}" for metric in SHOWN]
    table = [["domain", *names, "users"]]
    for domain, values in rows.items():
        cells = [_cell(values.get(name)) for name in names]
        table.append([domain, *cells, str(values["users"])])
    if len(rows) > 1:
        means = average(list(rows.values()))
        table.append([AVERAGE, *(_cell(means.get(name)) for name in names), ""])
    names_of = ", ".join(sorted(widest))
    told = [f"{names_of}, which is all that the model answers:"] if widest else []
    lines = aligned(table, right=range(1, len(names) + 2))
    return [*told, *(line.rstrip() for line in lines)]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
