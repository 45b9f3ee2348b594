"""JSONL tables: one JSON object per line, of which each may hold what it likes."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

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

_JSON = r"^[\[{]"
"""How a list or an object begins, once it is a text."""


def read_json_lines(path: Path, problems: Problems) -> pl.DataFrame | None:
    """Return a table, of whose lines all decide the types of the columns.

    Texts beside lists of texts become lists of one text. Columns whose values have no
    type in common otherwise are left out, with a warning.

    Returns:
        None where a line is no JSON object with plain ids and problems are collected.

    Raises:
        InputError: a line is no JSON object with plain ids.
    """
    try:
        with open_bytes(path) as file:
            table = _parsed(file.read().removeprefix(BOM))
    except pl.exceptions.PolarsError:
        if not check_json_lines(path, problems):
            return None
        rows = _rows(path)
        names = dict.fromkeys(name for row in rows.values() for name in row)
        return pl.DataFrame(_by_column(path, rows, names, problems))
    mixed = _with_json(path, table)
    if not mixed:
        return table
    if not {*ROLES}.isdisjoint(mixed) and not check_json_lines(path, problems):
        return None
    columns = _by_column(path, _rows(path), mixed, problems)
    kept = {column.name for column in columns}
    return table.with_columns(columns).drop(name for name in mixed if name not in kept)


def _parsed(content: bytes) -> pl.DataFrame:
    return pl.read_ndjson(content, infer_schema_length=None)


def _rows(path: Path) -> dict[int, dict[str, Any]]:
    """Return the object of every line by its number, counted from 1."""
    with open_lines(path) as file:
        return {n: json.loads(line) for n, line in enumerate(file, 1) if line.strip()}


def _with_json(path: Path, table: pl.DataFrame) -> list[str]:
    """Return the columns in which lists or objects stand beside texts.

    The parser has made them texts too, of JSON, so the file itself is asked.
    """
    likely: dict[str, set[int]] = {}
    for name, dtype in table.schema.items():
        if dtype == pl.String:
            begins = table[name].str.contains(_JSON)
        elif dtype == pl.List(pl.String):
            inside = pl.element().str.contains(_JSON)
            begins = table[name].list.eval(inside).list.any()
        else:
            continue
        if rows := set(begins.fill_null(value=False).arg_true()):
            likely[name] = rows
    if not likely:
        return []
    mixed = set()
    with open_lines(path) as file:
        for row, line in enumerate(line for line in file if line.strip()):
            names = [name for name, rows in likely.items() if row in rows]
            cells = json.loads(line) if names else {}
            mixed |= {
                name
                for name in names
                if _is_json(cells.get(name), in_list=table.schema[name] != pl.String)
            }
    return [name for name in likely if name in mixed]


def _is_json(value: object, *, in_list: bool) -> bool:
    """Return whether a value, or one of those in it, is a list or an object."""
    parts = value if in_list and isinstance(value, list) else [value]
    return any(isinstance(part, list | dict) for part in parts)


def _alike(values: Sequence[Any]) -> list[Any] | None:
    """Return the values of a column as values of one kind, None if they are not alike.

    Numbers, texts, true and false are alike; so are texts and lists of texts.
    """
    kinds = {type(value) for value in values if value is not None}
    if not kinds & {list, dict} or kinds == {dict}:
        return list(values)
    if kinds - {list, str}:
        return None
    lists = [[each] if isinstance(each, str) else each for each in values]
    parts = [part for each in lists for part in each or () if part is not None]
    inside = {type(part) for part in parts}
    if str in kinds and inside != {str}:
        return None
    if inside & {list, dict} and len(inside) > 1:
        return None
    return lists


def _column(name: str, values: Sequence[Any]) -> pl.Series | None:
    """Return a column of values, None if they have no type in common."""
    alike = _alike(values)
    if alike is None:
        return None
    lines = (json.dumps({name: value}) for value in alike)
    try:
        return _parsed("\n".join(lines).encode())[name]
    except pl.exceptions.PolarsError:
        return None


def _by_column(
    path: Path,
    rows: Mapping[int, Mapping[str, Any]],
    names: Iterable[str],
    problems: Problems,
) -> list[pl.Series]:
    """Return those of some columns that have a type, each parsed alone."""
    columns = []
    for name in names:
        column = _column(name, [row.get(name) for row in rows.values()])
        if column is not None:
            columns.append(column)
            continue
        first: dict[str, int] = {}
        for number, row in rows.items():
            if row.get(name) is not None:
                first.setdefault(_KINDS[type(row[name])], number)
        found = ", ".join(f"{kind} in line {n}" for kind, n in first.items())
        fault = f"its values cannot be one column and are left out: {found}"
        mend = "write values of one kind in every line"
        problems.add(Problem(path, fault, mend, column=name, error=False))
    return columns


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
