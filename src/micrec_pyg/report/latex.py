"""The tables of results as LaTeX, for a paper; they need the package booktabs."""

from collections.abc import Sequence
from itertools import groupby

from micrec_pyg.evaluation.metrics import METRICS
from micrec_pyg.grid import Titled
from micrec_pyg.report.marks import MARK
from micrec_pyg.report.model_grid import ABSENT, Entry, ModelGrid
from micrec_pyg.report.names import Names
from micrec_pyg.report.tables import GroupTable, Sheet
from micrec_pyg.runs.grids import FEW

PREAMBLE = "% In the preamble: \\usepackage{booktabs}\n"
HEAD = f"{PREAMBLE}% Best of a column bold, second underlined; a tie is neither.\n"

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    MARK: r"$^\dagger$",
    FEW: r"$^\ddagger$",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    # what would end a line or a comment
    **dict.fromkeys("\r\n\t", " "),
}
"""Characters that LaTeX would obey, or that its fonts lack."""


def latex(sheets: Sequence[Sheet]) -> str:
    """Return every table of every sheet as a LaTeX table of its own.

    Args:
        sheets: As ``tables.sheets`` returns them.
    """
    label = _labels()
    return HEAD + "".join(
        "\n" + _table(sheet, table, label) for sheet in sheets for table in sheet.tables
    )


def latex_of_texts(tables: Sequence[Titled], name: str) -> str:
    """Return tables of text as LaTeX, as they stand in Markdown.

    Args:
        tables: Not of a model per row; nothing is bold.
        name: Begins the labels.
    """
    text, label = PREAMBLE, _labels()
    for table in tables:
        caption = f"{table.title}. {table.note}".strip()
        text += "\n" + _framed(caption, label(f"{name}-{table.title}"), _plain(table))
    return text


def escaped(text: str) -> str:
    """Return a text that LaTeX prints as it is; names come from files of others."""
    return "".join(SPECIAL.get(character, character) for character in text)


def titled(metric: str) -> str:
    """Return a metric as papers write it: Recall@20, NDCG@20."""
    name, at, k = metric.partition("@")
    short = name in METRICS and len(name) < 5 and name != "hit"
    return (name.upper() if short else name.capitalize()) + at + k


def _labels() -> Names:
    return Names("A-Za-z0-9")


def _table(sheet: Sheet, table: GroupTable, label: Names) -> str:
    place = f"{sheet.dataset}, split {sheet.split}, group {table.group}."
    caption = " ".join([place, sheet.caption(underlined=True), *table.notes])
    name = label(f"{sheet.dataset}-{sheet.split}-{table.group}")
    return _framed(caption, name, _tabular(table.grid))


def _framed(caption: str, label: str, tabular: Sequence[str]) -> str:
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(caption)}}}",
            rf"\label{{tab:{label}}}",
            *tabular,
            r"\end{table}",
            "",
        ]
    )


def _plain(table: Titled) -> list[str]:
    head, *body = [[escaped(cell) for cell in row] for row in table.rows]
    sides = ["r" if place in table.right else "l" for place in range(len(head))]
    return [
        rf"\begin{{tabular}}{{{''.join(sides)}}}",
        r"\toprule",
        _line(head),
        r"\midrule",
        *map(_line, body),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _tabular(grid: ModelGrid) -> list[str]:
    """Return a table with two lines of head: domains, and metrics below them."""
    blocks = [
        (domain, len(list(columns)))
        for domain, columns in groupby(grid.columns, key=lambda column: column[0])
    ]
    rules, first = [], 2
    for _, width in blocks:
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    over = [rf"\multicolumn{{{width}}}{{c}}{{{escaped(d)}}}" for d, width in blocks]
    metrics = [escaped(titled(metric)) for _, metric in grid.columns]
    rows = [
        [escaped(row.name), *map(_cell, row.entries), row.seeds] for row in grid.rows
    ]
    return [
        rf"\begin{{tabular}}{{l{'r' * len(grid.columns)}r}}",
        r"\toprule",
        _line(["", *over, ""]),
        "".join(rules),
        _line(["Model", *metrics, "Seeds"]),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return escaped(ABSENT)
    text = escaped(entry.text)
    form = {1: r"\textbf{%s}", 2: r"\underline{%s}"}.get(entry.place, "%s")
    return form % text + escaped(entry.signs)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
