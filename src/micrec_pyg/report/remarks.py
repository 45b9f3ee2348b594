"""What a reader of the tables must know: what is missing, and what says nothing."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.report.collect import equal_labels, without_part
from micrec_pyg.runs.read import read_run

MOST_NAMED = 5
"""Folders in one sentence."""


def remarks(results: pl.DataFrame, part: str) -> list[str]:
    """Return what is in no table, has no effect, or may have ended too early.

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
    if cut := cut_runs(results):
        found.append(
            "fit.max_epochs ended training before fit.patience did, more epochs may "
            f"give more: {first_of([f'{k} ({n} of {of})' for k, n, of in cut])}"
        )
    return found


def cut_runs(results: pl.DataFrame) -> list[tuple[str, int, int]]:
    """Return labels with runs that ended at fit.max_epochs: how many, of how many.

    Args:
        results: As ``collect`` returns it.
    """
    cut, count = Counter[str](), Counter[str]()
    runs = results.select("label", "run").unique().drop_nulls().sort("*")
    for label, folder in runs.iter_rows():
        count[label] += 1
        cut[label] += read_run(Path(folder)).was_cut
    return [(label, cut[label], n) for label, n in count.items() if cut[label]]


def first_of(names: Sequence[str]) -> str:
    """Return the first of many names for a sentence."""
    return ", ".join(names[:MOST_NAMED]) + ", ..." * (len(names) > MOST_NAMED)
