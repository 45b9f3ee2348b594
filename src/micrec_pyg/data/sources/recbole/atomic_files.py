"""RecBole's atomic files: tab-separated, with a type after every name.

``user_id:token``; values of a ``token_seq`` or ``float_seq`` are separated by blanks,
and there is no quoting. MMRec's files are the same without types.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.domain_folder import read_rows
from micrec_pyg.data.files.cells import ids
from micrec_pyg.data.files.problems import STRICT, Problem
from micrec_pyg.data.files.tables import add_cells, read_table
from micrec_pyg.schema import InputError

TYPES = ("token", "token_seq", "float", "float_seq")


def header(path: Path) -> list[str]:
    """Return the names in the first line of a tab-separated file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            line = file.readline().decode("utf-8-sig", errors="replace")
    except OSError as error:
        fault = f"it cannot be read: {error.strerror}"
        raise InputError(str(Problem(path, fault))) from error
    return line.rstrip("\r\n").split("\t")


def typed_names(path: Path) -> dict[str, str]:
    """Return the fields of a file: name -> name with its type, as in the header.

    Raises:
        InputError: the file cannot be read, or a name has no type.
    """
    fields: dict[str, str] = {}
    names = header(path)
    if len(names) == 1 and len(names[0].split()) > 1:
        fault = "separated by blanks: RecBole wants tabs"
        raise InputError(str(Problem(path, fault, place="line 1")))
    for name in names:
        field, _, kind = name.rpartition(":")
        fault = ""
        if not field or kind not in TYPES:
            fault = f"a name with a type is needed, such as user_id:{TYPES[0]}"
        elif field in fields:
            fault = f"the field {field} is there twice"
        if fault:
            mend = f"write NAME:TYPE, separated by tabs; types: {', '.join(TYPES)}"
            raise InputError(
                str(Problem(path, fault, mend, place="line 1", column=name))
            )
        fields[field] = name
    return fields


def role_columns(
    fields: Mapping[str, str],
    usual: Mapping[str, str],
    columns: Mapping[str, str] | None,
) -> dict[str, str]:
    """Return role -> name in the header, by the user's mapping or the usual names.

    Args:
        fields: of ``typed_names``.
        usual: role -> field.
        columns: role -> field, with its type or without; it comes first.
    """
    found = {role: fields[name] for role, name in usual.items() if name in fields}
    mapped = {role: fields.get(name, name) for role, name in (columns or {}).items()}
    return {**found, **mapped}


def own_rows(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """Return interactions with the columns of the own-catalogue layout, and ROW.

    Args:
        path: a tab-separated file.
        columns: role -> name in the header; the rating is read only if it is here.

    Raises:
        InputError: a column is missing, or a line cannot be read.
    """
    read = read_rows(path, "rating" in columns, columns, STRICT)
    assert read is not None  # errors are raised
    rows, clock, unread = read
    for each in unread:
        STRICT.add(each)
    names = {"time": clock or "", "part": "x_label"}
    rows = rows.with_columns(pl.col("user", "item").cast(pl.String))
    return rows.rename(names, strict=False)


def read_tokens(path: Path, names: Mapping[str, str]) -> pl.DataFrame:
    """Return fields that are ids, under other names.

    Args:
        path: a file such as ``.kg``.
        names: field -> its name in the result.

    Raises:
        InputError: a field is missing, or a row has no usable id.
    """
    fields = typed_names(path)
    missing = [name for name in names if name not in fields]
    if missing:
        fault = f"field {', '.join(missing)} is missing; found: {', '.join(fields)}"
        raise InputError(str(Problem(path, fault, place="line 1")))
    table = read_table(path)
    assert table is not None  # errors are raised
    cells = [
        ids(table, fields[field], path).rename(new) for field, new in names.items()
    ]
    return pl.DataFrame(cells)


def floats(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """Return a column of type ``float``; an empty field is null.

    Raises:
        InputError: a field is no number; its line is named.
    """
    raw = table[column]
    number = raw.str.strip_chars().cast(pl.Float64, strict=False)
    bad = raw.is_not_null() & ~number.is_finite().fill_null(False)
    need = "a number or an empty field is needed"
    add_cells(table, raw, bad, path, STRICT, need=need)
    return number


def vectors(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """Return a column of type ``float_seq`` as List(Float32); an empty field is null.

    Raises:
        InputError: a value is no finite number, or the lengths differ.
    """
    raw = table[column]
    words = raw.str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
    numbers = words.list.eval(pl.element().cast(pl.Float32, strict=False))
    finite = numbers.list.eval(pl.element().is_finite().fill_null(False)).list.all()
    need = "finite numbers separated by blanks are needed"
    add_cells(table, raw, ~finite.fill_null(True), path, STRICT, need=need)
    widths = numbers.list.len()
    usual = max(widths.drop_nulls().mode().to_list(), default=0)
    odd = ((widths != usual) | (widths == 0)).fill_null(False)
    need = f"a vector of {usual} numbers, as the others, or an empty field is needed"
    add_cells(table, raw, odd, path, STRICT, need=need)
    return numbers
