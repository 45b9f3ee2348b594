"""Compared cells -> a table for people, JSON for tools."""

from collections.abc import Sequence
from typing import Any

from micrec_pyg import grid
from micrec_pyg.evaluation.significance import TestOptions
from micrec_pyg.report.compare import Cell, Question
from micrec_pyg.report.marks import MARK
from micrec_pyg.report.model_grid import ABSENT

SCHEMA = 1
"""Version of the JSON form."""

SMALLEST_P = 1e-4
"""Smaller p values are printed as below this."""

KEYS = 4
"""The first columns, which tell the rows apart; the last of them is the model."""

TEST_NAMES = {
    "wilcoxon": "Wilcoxon signed-rank test",
    "permutation": "sign-flip permutation test of the mean",
}


def caption(table: Sequence[Cell], question: Question, options: TestOptions) -> str:
    """Return how the numbers came about, in words."""
    tested = [cell for cell in table if cell.result is not None]
    names = list(dict.fromkeys(cell.reference for cell in table))
    text = (
        f"Part: {question.part}. Difference = model minus reference "
        f"({'; '.join(names)}), paired over users; a user's value is the mean over the "
        f"seeds of the line. {TEST_NAMES[options.test]}, two-sided; p Holm: corrected "
        f"over the {len(tested)} lines tested; {MARK} below alpha = {options.alpha:g}. "
        f"Interval: percentile bootstrap over users, {100 * (1 - options.alpha):g} %, "
        f"{options.resamples} resamples. d: Cohen's d of paired values; r: rank-"
        f"biserial correlation. seed sd: of the mean difference, between seeds. "
        f"{ABSENT}: no answer, or not defined."
    )
    undefined = sum(cell.pairs.undefined for cell in table if cell.pairs is not None)
    if undefined:
        text += f" Left out as the metric is undefined: {undefined} values of a user."
    return text


def rows_of(table: Sequence[Cell], options: TestOptions) -> list[list[str]]:
    """Return the table as text, the head in the first row."""
    head = ["domain", "group", "metric", "model", "reference", "mean", "difference"]
    head += ["interval", "p", "p Holm", "d", "r", "users", "seeds", "seed sd"]
    return [head, *(_row(cell, options) for cell in table)]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as a Markdown table, numbers to the right."""
    table = grid.markdown(rows, right=range(4, len(rows[0])))
    return "".join(f"{line}\n" for line in table)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as tables that fit a terminal.

    What is the same in all rows of a key column is said once, above the tables.
    """
    head, *body = rows
    same = [p for p in range(KEYS - 1) if len({row[p] for row in body}) == 1]
    said = "".join(f"{head[p]}: {body[0][p]}\n" for p in same) + "\n" * bool(same)
    left = [[cell for p, cell in enumerate(row) if p not in same] for row in rows]
    tables = grid.within(left, grid.WIDTH, keys=KEYS - len(same))
    lines = [[line.rstrip() for line in grid.aligned(table)] for table in tables]
    return said + "\n".join("".join(f"{line}\n" for line in each) for each in lines)


def as_json(
    table: Sequence[Cell], question: Question, options: TestOptions
) -> dict[str, Any]:
    """Return everything that is known, as plain values; None where there is nothing."""
    return {
        "schema": SCHEMA,
        "part": question.part,
        "test": options.test,
        "alpha": options.alpha,
        "resamples": options.resamples,
        "seed": options.seed,
        "family": sum(cell.result is not None for cell in table),
        "cells": [_plain(cell) for cell in table],
    }


def _row(cell: Cell, options: TestOptions) -> list[str]:
    names = [cell.domain, cell.group, cell.metric, cell.model]
    if cell.pairs is None or cell.result is None or cell.p_holm is None:
        return [*names, *[ABSENT] * 11]
    result = cell.result
    ends = f"[{_signed(result.low)}, {_signed(result.high)}]"
    return [
        *names,
        f"{cell.pairs.reference:.4f}",
        f"{cell.pairs.other:.4f}",
        _signed(result.difference),
        ABSENT if result.low is None else ends,
        _p(result.p),
        _p(cell.p_holm) + (MARK if cell.p_holm < options.alpha else ""),
        _signed(result.cohen_d, 2),
        _signed(result.rank_biserial, 2),
        str(result.users),
        ",".join(map(str, cell.pairs.by_seed)),
        ABSENT if cell.seed_sd is None else f"{cell.seed_sd:.4f}",
    ]


def _signed(value: float | None, decimals: int = 4) -> str:
    return ABSENT if value is None else f"{value:+.{decimals}f}"


def _p(value: float) -> str:
    return f"<{SMALLEST_P:.4f}" if value < SMALLEST_P else f"{value:.4f}"


def _plain(cell: Cell) -> dict[str, Any]:
    names = ("domain", "group", "metric", "reference", "model")
    plain: dict[str, Any] = {name: getattr(cell, name) for name in names}
    if cell.pairs is None or cell.result is None:
        return {**plain, "users": 0}
    return {
        **plain,
        "reference_mean": cell.pairs.reference,
        "mean": cell.pairs.other,
        **vars(cell.result),
        "p_holm": cell.p_holm,
        "seeds": list(cell.pairs.by_seed),
        "seed_differences": list(cell.pairs.by_seed.values()),
        "seed_sd": cell.seed_sd,
        "undefined": cell.pairs.undefined,
    }
