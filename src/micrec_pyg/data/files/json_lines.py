"""JSONL tables: one JSON object per line, of which each may hold what it likes."""

import json
import math
import re
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.columns import ROLES
from micrec_pyg.data.files.compressed import BOM, open_bytes, open_lines
from micrec_pyg.data.files.problems import Problem, Problems

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


def read_json_lines(path: Path, problems: Problems) -> pl.DataFrame | None:
    """Return a table, of whose lines all decide the types of the columns.

    Columns whose values have no type in common are left out, with a warning.

    Returns:
        None where a line is no JSON object with plain ids and problems are collected.

    Raises:
        InputError: a line is no JSON object with plain ids.
    """
    try:
        with open_bytes(path) as file:
            return _parsed(file.read().removeprefix(BOM))
    except pl.exceptions.PolarsError:
        return _by_column(path, problems) if check_json_lines(path, problems) else None


def _parsed(content: bytes) -> pl.DataFrame:
    return pl.read_ndjson(content, infer_schema_length=None)


def _by_column(path: Path, problems: Problems) -> pl.DataFrame:
    """Return the columns that have a type, each parsed alone."""
    with open_lines(path) as file:
        rows = {n: json.loads(line) for n, line in enumerate(file, 1) if line.strip()}
    columns = []
    for name in dict.fromkeys(name for row in rows.values() for name in row):
        lines = (json.dumps({name: row.get(name)}) for row in rows.values())
        try:
            columns.append(_parsed("\n".join(lines).encode()))
        except pl.exceptions.PolarsError:
            first: dict[str, int] = {}
            for number, row in rows.items():
                if row.get(name) is not None:
                    first.setdefault(_KINDS[type(row[name])], number)
            found = ", ".join(f"{kind} in line {n}" for kind, n in first.items())
            fault = f"its values cannot be one column and are left out: {found}"
            mend = "write values of one kind in every line"
            problems.add(Problem(path, fault, mend, column=name, error=False))
    return pl.concat(columns, how="horizontal") if columns else pl.DataFrame()


def rows_without_plain_ids(path: Path, column: str) -> list[int]:
    """Return the rows of a table in which a column holds a decimal, true or false.

    Beside texts the parser has made them texts too, so the file itself is asked.
    """
    key = "|".join(re.escape(json.dumps(column, ensure_ascii=a)) for a in (True, False))
    likely = re.compile(rf"(?:{key})\s*:\s*(?:true|false|-?\d+[.eE])")
    with open_lines(path) as file:
        filled = enumerate(line for line in file if line.strip())
        found = [(row, json.loads(line)) for row, line in filled if likely.search(line)]
    return [row for row, cells in found if isinstance(cells.get(column), bool | float)]


def check_json_lines(path: Path, problems: Problems) -> bool:
    """Return whether every line is a JSON object with plain ids; note the others.

    For files that the parser has refused: it reads line by line.
    """
    before = problems.errors
    with open_lines(path) as file:
        for number, line in enumerate(file, start=1):
            fault = _json_fault(line) if line.strip() else None
            if fault is not None:
                problems.add(
                    Problem(
                        path,
                        f"{fault[0]}, needed: one JSON object with texts and numbers",
                        "write one object per line, such as "
                        '{"user": "u1", "item": "i1"}; absent values are null',
                        place=f"line {number}",
                        column=fault[1],
                    )
                )
    return problems.errors == before


def _json_fault(line: str) -> tuple[str, str] | None:
    """Return what is wrong with one line and in which column, None if nothing is."""
    try:
        value = json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        return f"not a JSON object ({error.msg} at character {error.colno})", ""
    except (ValueError, RecursionError):  # a number or a depth beyond all bounds
        return "not a flat JSON object", ""
    if not isinstance(value, dict):
        return f"not a JSON object but {_short(line)}", ""
    for key, cell in value.items():
        if isinstance(cell, float) and not math.isfinite(cell):
            return f"got {cell}", key
        # other columns may hold what they like
        if key in ROLES and isinstance(cell, dict | list | bool):
            return f"got {_short(json.dumps(cell))}", key
    return None


def _short(text: str) -> str:
    """Return the beginning of a text, for a message."""
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")
