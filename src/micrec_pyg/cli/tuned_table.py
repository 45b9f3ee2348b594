"""The table of the searches of a preset: written by a command, taken by a later one."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.tune import searched_keys
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text

Place = tuple[str, str]
"""Of a search: the label of a row of a preset, and a split such as ``split=random``."""

Facts = Mapping[str, Any]
"""What a search came to: settings (a list of overrides), trials, value, seconds."""

COLUMNS = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "settings": pl.String(),
        "trials": pl.Int64(),
        "value": pl.Float64(),
        "seconds": pl.Int64(),
    }
)

GIVE = "give the reproduce-<preset>-tuned.csv that an earlier command wrote"

SEARCH_AGAIN = "leave what cannot be used out of the file, and it is searched again"


@dataclass(frozen=True)
class Known:
    """What earlier searches came to, as their table says."""

    path: Path | None = None
    """Of the table; None: nothing is known."""
    taken: Mapping[Place, Facts] = field(default_factory=dict)
    """Searches that are not done again."""
    others: Mapping[Place, Facts] = field(default_factory=dict)
    """Rows that are not used: of fewer trials than asked for, or of no such search."""

    def kept_in(self, table: Path) -> dict[Place, Facts]:
        """Return the rows that a table holds before any search.

        What is not used is kept where the table is the very file it stands in.
        """
        same = self.path is not None and self.path.resolve() == table.resolve()
        return {**(self.others if same else {}), **self.taken}

    def told(self, searches: Set[Place]) -> str:
        """Return in a line how much is taken, left to do, and not used."""
        left, few = len(searches) - len(self.taken), len(self.others.keys() & searches)
        counts = {
            "of fewer trials": few,
            "of other models or splits": len(self.others) - few,
        }
        unused = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        text = f"{len(self.taken)} of {len(searches)} searches taken, {left} left to do"
        return f"{self.path}: {text}" + (f"; rows not used: {unused}" if unused else "")


def settings_of(found: Mapping[Place, Facts]) -> dict[Place, Sequence[str]]:
    """Return the settings alone of what searches came to."""
    return {place: facts["settings"] for place, facts in found.items()}


def write_searches(path: Path, rows: Mapping[Place, Facts]) -> None:
    """Write a row per search, as CSV."""
    cells = [
        {
            "model": label,
            "split": split.partition("=")[2],
            **facts,
            "settings": " ".join(facts["settings"]),
        }
        for (label, split), facts in rows.items()
    ]
    write_text(path, pl.DataFrame(cells, schema=COLUMNS).write_csv())


def read_searches(path: Path) -> dict[Place, Facts]:
    """Return the rows of a table as ``write_searches`` wrote it, in its order.

    Raises:
        InputError: There is no such file, or it is no such table.
    """
    if not path.is_file():
        raise InputError(f"--tuned {path}: it is no file; {GIVE}")
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: not readable as CSV ({reason}); {GIVE}") from error
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise InputError(
            f"{path}: it has no column {', '.join(missing)}, so it is no table of "
            f"searches; {GIVE}"
        )
    rows = _typed(table.select(*COLUMNS), path).to_dicts()
    return {
        (row["model"], f"split={row['split']}"): {
            "settings": row["settings"].split(),
            **{key: row[key] for key in ("trials", "value", "seconds")},
        }
        for row in rows
    }


def _typed(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return a table with numbers where they belong.

    Raises:
        InputError: A cell is none of its column, or a search stands there twice.
    """
    typed = table.cast(COLUMNS, strict=False)
    valid = {
        "model": (pl.col("model").is_not_null(), "the label of a row of a preset"),
        "split": (pl.col("split").is_not_null(), "the name of a split"),
        "settings": (
            pl.col("settings").str.contains(r"^\s*[^\s=]+=\S+(\s+[^\s=]+=\S+)*\s*$"),
            "key=value, with blanks between several",
        ),
        "trials": (pl.col("trials") >= 1, "a whole number of 1 or more"),
        "value": (pl.col("value").is_finite(), "a number"),
        "seconds": (pl.col("seconds") >= 0, "a whole number of 0 or more"),
    }
    for name, (good, need) in valid.items():
        wrong = typed.select(~good.fill_null(False)).to_series().arg_true()
        if len(wrong):
            raise InputError(
                f"{path}, line {wrong[0] + 2}: {name} is '{table[name][wrong[0]]}'; it "
                f"is {need}; correct the cell, or leave the line out"
            )
    first: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(typed.select("model", "split").rows(), start=2):
        if row in first:
            raise InputError(
                f"{path}, lines {first[row]} and {line}: both are the search of "
                f"{row[0]} under {row[1]}; leave one of them out"
            )
        first[row] = line
    return typed


def known_of(path: Path, searches: Mapping[Place, Job]) -> Known:
    """Return which searches a table spares.

    These are the ones that stand there with as many trials as asked for, or more.

    Raises:
        InputError: See ``read_searches``; or settings are not of the search spaces now,
            or no run could use them.
    """
    rows = read_searches(path)
    lines = {place: line for line, place in enumerate(rows, start=2)}
    taken = {
        place: rows[place]
        for place, job in searches.items()
        if place in rows and rows[place]["trials"] >= job.trials
    }
    changed = [
        f"line {lines[place]} ({place[0]}, {place[1]}): {difference}"
        for place, facts in taken.items()
        if (difference := _difference(searches[place], facts))
    ]
    if changed:
        raise InputError(
            f"{path}: not the keys that a search has now, by conf/tune: "
            f"{'; '.join(changed)}; {SEARCH_AGAIN}"
        )
    for place, facts in taken.items():
        try:
            experiment([*searches[place].overrides, *facts["settings"]])
        except InputError as error:
            where = f"{path}, line {lines[place]}"
            raise InputError(f"{where}: {error}; {SEARCH_AGAIN}") from error
    others = {place: facts for place, facts in rows.items() if place not in taken}
    return Known(path, taken, others)


def _difference(job: Job, facts: Facts) -> str:
    """Return in words how found settings differ in keys from those of a search now."""
    given = {setting.partition("=")[0] for setting in facts["settings"]}
    space = searched_keys(job.overrides)
    parts = {"without": space - given, "with": given - space}
    return ", ".join(
        f"{word} {' and '.join(sorted(keys))}" for word, keys in parts.items() if keys
    )


def check_tuned(
    path: str, name: str, searches: Collection[object], *, picking: bool
) -> None:
    """Refuse a table of searches where it has no use.

    Args:
        path: As it was given.
        name: Of the preset.
        searches: That the preset has.
        picking: Whether all trials are to be tested.

    Raises:
        InputError: The preset searches nothing, or the trials themselves are needed.
    """
    if not searches:
        raise InputError(
            f"--tuned {path}: the preset {name} searches no settings; give one with "
            "trials, such as baselines"
        )
    if picking:
        raise InputError(
            f"--tuned {path} with --picking: every trial of a search is tested, and "
            "the file has the best one alone; leave --tuned out"
        )
