"""What a reader of the tables must know: what is missing, and what says nothing."""

import shlex
from collections.abc import Sequence

import polars as pl

from micrec_pyg.report.collect import equal_labels, without_part

MOST_NAMED = 5
"""Folders in one sentence."""


def remarks(results: pl.DataFrame, part: str) -> list[str]:
    """Return which runs are in no table, and which settings had no effect.

    Args:
        results: As ``collect`` returns it.
        part: ``val`` or ``test``.
    """
    found = []
    if missing := without_part(results, part):
        command = shlex.join(["micrec", "evaluate", missing[0]])
        evaluate = f"; {command}" if part == "test" else ""
        have, are = ("run has", "is") if len(missing) == 1 else ("runs have", "are")
        found.append(
            f"{len(missing)} {have} no {part} results and {are} in no table: "
            f"{first_of(missing)}{evaluate}"
        )
    for labels in equal_labels(results):
        found.append(
            "the same results in every cell, what tells them apart has no effect: "
            + ", ".join(labels)
        )
    return found


def first_of(names: Sequence[str]) -> str:
    """Return the first of many names for a sentence."""
    return ", ".join(names[:MOST_NAMED]) + ", ..." * (len(names) > MOST_NAMED)
