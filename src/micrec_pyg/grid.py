"""Tables of text: aligned for a terminal, and in Markdown."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

Rows = Sequence[Sequence[str]]
"""Cells; the head is the first row."""

WIDTH = 80
"""Letters of a line in a terminal; files have all columns side by side."""

_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Titled:
    """A table with what stands above it."""

    title: str
    rows: Rows
    right: Collection[int] = ()
    """Numbers of the columns whose cells stand to the right."""
    note: str = ""


def aligned(rows: Rows, *, right: Collection[int] = ()) -> list[str]:
    """Return a line per row, in columns of equal width.

    Args:
        rows: The table.
        right: Numbers of the columns whose cells stand to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def within(rows: Rows, width: int, *, keys: int) -> list[Rows]:
    """Return a table as tables that are no wider than asked, if their cells allow it.

    One that is too wide is divided by what stands behind ``@`` in its head, a cut-off,
    and these where they are too wide still.

    Args:
        rows: The table.
        width: Letters of a line, the two spaces between columns among them.
        keys: How many first columns tell the rows apart; every table has them.
    """
    widths = [2 + max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) - 2 <= width:
        return [rows]
    cut_offs = [name.partition("@")[2] for name in rows[0]]
    found: list[list[int]] = []
    for place in range(keys, len(widths)):
        last = found[-1] if found else []
        taken = sum(widths[p] for p in (*range(keys), *last, place)) - 2
        if last and cut_offs[last[0]] == cut_offs[place] and taken <= width:
            last.append(place)
        else:
            found.append([place])
    return [[[*row[:keys], *(row[p] for p in own)] for row in rows] for own in found]


def markdown(rows: Rows, *, right: Collection[int] = ()) -> list[str]:
    """Return the lines of a Markdown table; no cell can break it.

    Args:
        rows: The table.
        right: Numbers of the columns whose cells stand to the right.
    """
    head, *body = [[_escaped(cell) for cell in row] for row in rows]
    marks = ["---:" if place in right else "---" for place in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, marks, *body)]


def titled_markdown(tables: Sequence[Titled]) -> str:
    """Return tables with a heading and a note each, as Markdown."""
    lines: list[str] = []
    for table in tables:
        note = [table.note, ""] if table.note else []
        body = markdown(table.rows, right=table.right)
        lines += [f"## {table.title}", "", *note, *body, ""]
    return "\n".join(lines)


def _escaped(cell: str) -> str:
    return _BREAK.sub("<br>", cell.replace("|", "\\|"))
