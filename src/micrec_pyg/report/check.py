"""A table of results against one that was made before, on this machine or another."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.report.tables import KEYS
from micrec_pyg.schema import InputError

ALL, OTHERS = 0.003, 0.02
"""The largest differences that another kind of CPU explains: in the group of all users
and items, and in any other group, which may be small."""

MOST = 20
"""Differences that are printed."""

CELLS = pl.Schema(
    {**dict.fromkeys(KEYS, pl.String()), "mean": pl.Float64(), "seeds": pl.Int64()}
)
"""The columns that are compared; others may be there too."""


@dataclass(frozen=True)
class Differences:
    """How two tables differ."""

    cells: int
    """Cells that both have."""
    unequal: int
    """Of these, how many differ at all."""
    largest: str
    """The largest difference in words; empty if there is none."""
    beyond: list[str]
    """Differences beyond the tolerance, and cells that one table lacks."""

    def __str__(self) -> str:
        """Return the comparison in a few lines."""
        lines = [
            f"{self.cells} cells compared, {self.unequal} differ",
            *([f"largest difference: {self.largest}"] if self.largest else []),
            *self.beyond[:MOST],
            *([f"and {more} more"] if (more := len(self.beyond) - MOST) > 0 else []),
            f"tolerance: {ALL:g} in the group all, {OTHERS:g} in the other groups: "
            + ("not held" if self.beyond else "held"),
        ]
        return "\n".join(lines)


def read_table(path: Path) -> pl.DataFrame:
    """Return a table as ``report.tables.write`` wrote it.

    Raises:
        InputError: There is no such file, or it is no such table.
    """
    if not path.is_file():
        raise InputError(
            f"'{path}' is no file; give the CSV of an earlier reproduction, such as "
            "docs/tables/quick.csv of a checkout"
        )
    try:
        table = pl.read_csv(path, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from error
    missing = CELLS.keys() - set(table.columns)
    if missing:
        raise InputError(f"{path}: the columns {sorted(missing)} are missing")
    return _typed(table.select(*CELLS), path)


def _typed(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return a table with numbers where they belong.

    Raises:
        InputError: A cell is none, or two rows have the same keys.
    """
    typed = table.cast(CELLS, strict=False)
    readable = pl.col("mean").is_finite() & pl.col("seeds").is_not_null()
    wrong = ~typed.select(readable.fill_null(False)).to_series()
    again = ~typed.select(pl.struct(KEYS).is_first_distinct()).to_series()
    for bad, need in (
        (wrong, "mean is a number and seeds a whole number"),
        (again, "each result stands in one row"),
    ):
        if len(lines := bad.arg_true()):
            row = table.row(lines[0], named=True)
            raise InputError(
                f"{path}, line {lines[0] + 2}: {_name(row)}, mean {row['mean']}, seeds "
                f"{row['seeds']}; {need}; make the table anew, or restore it"
            )
    return typed


def differences(found: pl.DataFrame, expected: pl.DataFrame) -> Differences:
    """Return how the means of two tables differ.

    Args:
        found: Just made.
        expected: Made before.

    Raises:
        InputError: They are means over different numbers of seeds.
    """
    both = found.join(expected, on=KEYS, how="inner", suffix="_before")
    if len(other := both.filter(pl.col("seeds") != pl.col("seeds_before"))):
        row = other.row(0, named=True)
        raise InputError(
            f"the tables are over {row['seeds']} and {row['seeds_before']} seeds; "
            "reproduce with the seeds of the table that you compare with"
        )
    limit = pl.when(pl.col("group") == "all").then(ALL).otherwise(OTHERS)
    both = both.with_columns(
        difference=(pl.col("mean") - pl.col("mean_before")).abs(), limit=limit
    ).sort("difference", descending=True)
    beyond = both.filter(pl.col("difference") > pl.col("limit"))
    lacking = [
        f"{len(rows)} cells are {where} alone, such as {_name(rows.row(0, named=True))}"
        for rows, where in (
            (found.join(expected, on=KEYS, how="anti"), "here"),
            (expected.join(found, on=KEYS, how="anti"), "in the table before"),
        )
        if len(rows)
    ]
    unequal = both.filter(pl.col("difference") > 0)
    first = next(unequal.iter_rows(named=True), None)
    return Differences(
        cells=len(both),
        unequal=len(unequal),
        largest="" if first is None else _words(first),
        beyond=[*(_words(row) for row in beyond.iter_rows(named=True)), *lacking],
    )


def _words(row: dict[str, object]) -> str:
    before, now = row["mean_before"], row["mean"]
    return f"{_name(row)}: {before:.4f} before, {now:.4f} here"


def _name(row: dict[str, object]) -> str:
    return " ".join(str(row[key]) for key in KEYS)
