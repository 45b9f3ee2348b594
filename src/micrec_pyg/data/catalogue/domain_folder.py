"""One domain folder of the own-catalogue format, read and checked.

Still raw ids and strings; ``read_tables`` turns it into catalogues.
"""

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.facts import KG, read_facts
from micrec_pyg.data.catalogue.folder_names import folder_of
from micrec_pyg.data.catalogue.item_files import read_item_files
from micrec_pyg.data.catalogue.vector_files import find_vectors, read_vector_files
from micrec_pyg.data.files.cells import decimals, ids, integers
from micrec_pyg.data.files.columns import ROLES, locate
from micrec_pyg.data.files.problems import STRICT, Problem, Problems
from micrec_pyg.data.files.table_names import find_table
from micrec_pyg.data.files.tables import ROW, add_cells, read_table, require_columns
from micrec_pyg.data.files.texts import HOLD_TEXTS, readable_texts
from micrec_pyg.data.files.times import checked_guess, seconds
from micrec_pyg.schema import IMAGE, InputError
from micrec_pyg.storage.digests import file_digest, json_digest

MISSING, REPEATED = "items_missing_from_items_table", "repeated_facts"
"""Counts that are of the items of a domain, by their names."""
UNKNOWN = "_of_unknown_items"
"""Ends the name of a count of what is for no item of the folder."""


@dataclass(frozen=True, eq=False)
class DomainFolder:
    """The content of one domain folder."""

    path: Path
    rows: pl.DataFrame
    """user, item (Categorical) and any of rating, time, part."""
    clock: str | None
    """The column that time is from: ``timestamp``, ``order``, or None."""
    items: pl.DataFrame
    """item (unique) and the other columns of the items table; empty without one."""
    files: Mapping[str, pl.DataFrame]
    """item, file (path) per modality; ``image`` is always there."""
    vectors: Mapping[str, pl.DataFrame]
    """item, vector (list of Float32) per modality."""
    facts: pl.DataFrame | None
    """item, relation, entity: rows of a knowledge graph; None without one."""
    sources: Mapping[str, str]
    """sha256 of every file that was read; all files of a modality are one entry."""
    digest: str
    """sha256 of the names and content of all files that were read, see
    ``read_vector_files``."""
    counts: Mapping[str, int]
    """Items not in the items table (kept); images, other files, vectors and facts of
    unknown items, and facts that are repeated (one stays)."""
    unread: Sequence[Problem]
    """What lies in the folder and is not read."""


def read_domain_folder(
    path: Path,
    *,
    need_rating: bool,
    columns: Mapping[str, str] | None,
    problems: Problems = STRICT,
    tell_unread: bool = True,
) -> DomainFolder | None:
    """Return what one domain folder holds.

    Args:
        path: the folder.
        need_rating: whether there must be a rating column; else it is not read.
        columns: role -> column, see ``columns.locate``.
        problems: where to note what is wrong; by default it is raised.
        tell_unread: whether to warn of what lies in the folder and is not read.

    Returns:
        None where there are no usable interactions and problems are collected.

    Raises:
        InputError: a table is missing, unreadable, lacks a column or holds a value
            that cannot be understood.
    """
    source = _find(path, "interactions", problems)
    rows = read_rows(source, need_rating, columns, problems) if source else None
    items = pl.DataFrame({"item": []}, schema={"item": pl.String})
    catalogue = _find(path, "items", problems)
    if catalogue is not None:
        items = read_items(catalogue, columns, problems).drop(ROW, strict=False)
    vector_files = find_vectors(path)
    vectors, amended = read_vector_files(vector_files, columns, problems)
    graph = _find(path, KG, problems)
    facts = None if graph is None else read_facts(graph, columns, problems)
    known = None if rows is None else _all_ids(rows[0], items)
    read = [each for each in (source, catalogue, graph, *vector_files) if each]
    files, unread = read_item_files(path, [each.name for each in read], known, problems)
    unread = [*(rows[2] if rows else ()), *unread] if tell_unread else []
    for each in unread:
        problems.add(each)
    if source is None or rows is None or known is None:
        return None
    # without a table no item is missing from it
    listed = len(known) if catalogue is None else items.height
    # what is no regular file was noted, and would be read for ever
    tables = [table for table in read if table.is_file()]
    item_files = {m: list(map(Path, table["file"])) for m, table in files.items()}
    content = hashes(path, [*tables, *itertools.chain(*item_files.values())])
    return DomainFolder(
        path=path,
        rows=rows[0].drop(ROW),
        clock=rows[1],
        items=items,
        files=files,
        vectors=vectors,
        facts=facts,
        sources=_sources(path, content, item_files),
        digest=json_digest({**content, **amended, **_amended(items)}),
        counts={
            MISSING: len(known) - listed,
            **_unknown(known, files, vectors, facts),
        },
        unread=unread,
    )


def _amended(items: pl.DataFrame) -> dict[str, str]:
    """Return an entry for the digest where an items table is not read as it was.

    Earlier versions took lists of numbers as texts: what they cached must not be taken.
    """
    if any(type_ == pl.List and type_ not in HOLD_TEXTS for type_ in items.dtypes):
        return {"items": "lists of numbers are no texts"}
    return {}


def _all_ids(rows: pl.DataFrame, items: pl.DataFrame) -> pl.Series:
    """Return the ids of all items, in any order."""
    touched = rows.select("item").unique().cast(pl.String)
    return pl.concat([items.select("item"), touched]).unique()["item"]


def _find(path: Path, stem: str, problems: Problems) -> Path | None:
    """Return the table of a domain; note several ones, and missing interactions."""
    try:
        found = find_table(path, stem)
    except InputError as error:
        problems.add(Problem(path, str(error).removeprefix(f"{path}: ")))
        return None
    if found is None and stem == "interactions":
        fault = "no interactions.(tsv|csv|parquet|jsonl) there"
        problems.add(Problem(path, fault, "add one with the columns user and item"))
    return found


def read_rows(
    path: Path,
    need_rating: bool,
    columns: Mapping[str, str] | None,
    problems: Problems,
) -> tuple[pl.DataFrame, str | None, Sequence[Problem]] | None:
    """Return the interactions under our names, and where their time comes from.

    Args:
        path: the table.
        need_rating: whether there must be a rating column; else it is not read.
        columns: role -> column, see ``columns.locate``.
        problems: where to note what is wrong.

    Returns:
        ROW, user, item (Categorical) and any of rating, time, part; the clock; and
        what is not read, which is yet to be told. None where there is nothing usable
        and problems are collected.
    """
    codes = functools.partial(_id_columns, columns, path)
    table = read_table(path, problems, codes=codes)
    if table is None:
        return None
    found = [name for name in table.columns if name != ROW]
    located = locate(found, ROLES, columns, path, problems)
    located = checked_guess(table, located, columns, path, problems)
    unread = _unread([n for n in found if n not in located.values()], path)
    table = table.select(ROW, *dict.fromkeys(located.values()))
    needed = ["user", "item", *(["rating"] if need_rating else [])]
    if not require_columns(found, needed, path, problems, have=[*located]):
        return None
    content = {ROW: table[ROW]}
    for name in ("user", "item"):
        # codes of four bytes: the texts of many rows would fill the memory
        content[name] = ids(table, located[name], path, problems).cast(pl.Categorical)
    if need_rating:
        content["rating"] = decimals(table, located["rating"], path, problems)
    clock = next((c for c in ("timestamp", "order") if c in located), None)
    if clock is not None:
        read = seconds if clock == "timestamp" else integers
        content["time"] = read(table, located[clock], path, problems)
    if "x_label" in located:
        content["part"] = _parts(table, located["x_label"], path, problems)
    # cells that were noted are null: what is left can still be looked at
    return pl.DataFrame(content).drop_nulls(), clock, unread


def _unread(names: Sequence[str], path: Path) -> list[Problem]:
    """Return the warning of columns that have no role."""
    if not names:
        return []
    fault = f"not read: the columns {', '.join(map(repr, names))}"
    mend = f"those of {', '.join(ROLES)} are; data.columns maps other names"
    return [Problem(path, fault, mend, error=False)]


def _id_columns(
    columns: Mapping[str, str] | None, path: Path, names: Sequence[str]
) -> Collection[str]:
    """Return the columns of the user and the item, without noting faults."""
    silent = Problems(limit=0)
    return locate(names, ("user", "item"), columns, path, silent).values()


def _parts(table: pl.DataFrame, name: str, path: Path, problems: Problems) -> pl.Series:
    """Return the ready split, 0, 1 or 2 per row."""
    parts = integers(table, name, path, problems)
    bad = ~parts.is_in([0, 1, 2]).fill_null(True)
    need = "needed: 0 (train), 1 (validation) or 2 (test)"
    add_cells(table, parts, bad, path, problems, need=need)
    return parts.set(bad, None)


def read_items(
    path: Path, columns: Mapping[str, str] | None, problems: Problems
) -> pl.DataFrame:
    """Return the items table and its ROW; every item once."""
    nothing = pl.DataFrame({"item": []}, schema={"item": pl.String})
    table = read_table(path, problems)
    if table is None:
        return nothing
    found = [name for name in table.columns if name != ROW]
    located = locate(found, ["item"], columns, path, problems)
    if located.get("item", "item") != "item":
        if "item" in found:
            fault = f"it has the columns item and {located['item']}"
            problems.add(Problem(path, fault, "rename the one that is not the id"))
            return nothing
        table = table.rename({located["item"]: "item"})
    if not require_columns(table.columns, ["item"], path, problems):
        return nothing
    item = ids(table, "item", path, problems, in_file=located.get("item"))
    table = table.with_columns(item)
    table = readable_texts(table, (ROW, "item"), path, problems)
    repeated = ~table["item"].is_first_distinct() & table["item"].is_not_null()
    need = "which was listed before; every item may stand once"
    mend = "drop the row, or give the item an id of its own"
    add_cells(table, table["item"], repeated, path, problems, need=need, mend=mend)
    return table.filter(~repeated).drop_nulls("item")


def _unknown(
    known: pl.Series,
    files: Mapping[str, pl.DataFrame],
    vectors: Mapping[str, pl.DataFrame],
    facts: pl.DataFrame | None,
) -> dict[str, int]:
    """Return how many files, vectors and facts are of items that no table has."""

    def strange(table: pl.DataFrame) -> int:
        return table.join(known.to_frame("item"), on="item", how="anti").height

    counts = {
        f"images{UNKNOWN}": strange(files[IMAGE]),
        f"vectors{UNKNOWN}": sum(map(strange, vectors.values())),
    }
    for modality, table in files.items():
        if modality != IMAGE:
            counts[f"{modality}_files{UNKNOWN}"] = strange(table)
    if facts is not None:
        counts[f"facts{UNKNOWN}"] = strange(facts)
        counts[REPEATED] = facts.height - facts.n_unique()
    return counts


def hashes(root: Path, files: list[Path]) -> dict[str, str]:
    """Return the sha256 of the files' content by their names inside the folder."""
    return {path.relative_to(root).as_posix(): file_digest(path) for path in files}


def _sources(
    path: Path, content: Mapping[str, str], item_files: Mapping[str, Sequence[Path]]
) -> dict[str, str]:
    """Return the hashes of a folder's files, all files of a modality as one."""
    named = dict(content)
    for modality, files in item_files.items():
        names = [file.relative_to(path).as_posix() for file in files]
        together = {name: named.pop(name) for name in names}
        if together:
            entry = f"{folder_of(modality)}/ ({len(files)} files)"
            named[entry] = json_digest(together)
    return named
