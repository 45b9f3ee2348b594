"""Frames of a caller -> checked tables of raw ids."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from micrec_pyg.data.files.cells import first_fault, is_of_ids
from micrec_pyg.inference.domains import check_domain, with_domain
from micrec_pyg.inference.world import World
from micrec_pyg.runs.frames import as_polars
from micrec_pyg.schema import InputError


def id_table(
    table: Any, name: str, ids: Sequence[str], may: Sequence[str] = ()
) -> pl.DataFrame:
    """Return a frame whose columns of ids are there, texts, and complete.

    Args:
        table: Of polars, pandas or any library with the Arrow interface.
        name: What it is, for messages.
        ids: Columns of raw ids.
        may: Columns of raw ids in which a row may have none.

    Raises:
        InputError: It is no frame, a column is missing, or an id is none.
    """
    frame = as_polars(table, name)
    missing = [column for column in (*ids, *may) if column not in frame.columns]
    if missing:
        raise InputError(
            f"{name}: column {', '.join(missing)} is missing; found: "
            f"{', '.join(frame.columns)}; needed: {', '.join((*ids, *may))}"
        )
    return frame.with_columns(
        *(_ids(frame[column], name) for column in ids),
        *(_texts(frame[column], name) for column in may),
    )


def _ids(column: pl.Series, table: str) -> pl.Series:
    """Return raw ids as texts, by the rules of the files of a catalogue."""
    text = _texts(column, table)
    if found := first_fault(text):
        place, need = found
        raise InputError(
            f"{table}, row {place + 1}: {column.name} is {text[place]!r:.80}, {need}"
        )
    return text


def _texts(column: pl.Series, table: str) -> pl.Series:
    """Return raw ids as texts; they are known elsewhere, or null."""
    if not is_of_ids(column):
        raise InputError(
            f"{table}: column {column.name} holds {column.dtype}; ids must be texts or "
            "whole numbers (pandas makes numbers with gaps decimals: "
            ".astype('Int64') undoes it)"
        )
    return column.cast(pl.String)


def tables_by_domain(
    world: World, table: pl.DataFrame, domain: str | None
) -> dict[str, pl.DataFrame]:
    """Return the rows of every domain; where there is only one, a null means it.

    Raises:
        InputError: A domain is unknown, or none is given and there are several.
    """
    if domain is None and "domain" in table.columns:
        table = with_domain(world, table)
        names = table["domain"].unique(maintain_order=True).to_list()
        return {check_domain(world, n): table.filter(domain=n) for n in names}
    return {check_domain(world, domain): table}
