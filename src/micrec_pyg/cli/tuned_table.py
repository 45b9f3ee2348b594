"""The table of the searches of a preset: written by a command, taken by a later one."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.preset import PLACES
from micrec_pyg.cli.tune import searched_keys
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text

Place = tuple[str, str]
"""Of a search: the label of a row of a preset, and a split such as ``split=random``."""

Facts = Mapping[str, Any]
"""What a search came to: settings (a list of overrides), trials, value, seconds; and
given, the overrides of its every trial."""

COLUMNS = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "settings": pl.String(),
        "trials": pl.Int64(),
        "value": pl.Float64(),
        "seconds": pl.Int64(),
        "given": pl.String(),
    }
)

LISTS = ("settings", "given")
"""Columns of overrides, with blanks between several."""

PERSONAL = ("seed", "output_dir", "cache_dir", "device")
"""Keys that belong to who uses settings, beside places of files."""

GIVE = "give the reproduce-<preset>-tuned.csv that an earlier command wrote"

SEARCH_AGAIN = "leave what cannot be used out of the file, and it is searched again"


@dataclass(frozen=True)
class Known:
    """What earlier searches came to, as their table says."""

    path: Path | None = None
    """Of the table; None: nothing is known."""
    taken: Mapping[Place, Facts] = field(default_factory=dict)
    """Searches that are not done again."""
    others: Set[Place] = frozenset()
    """What is not used: of fewer trials than asked for, or of no such search."""

    def before(self, table: Path) -> dict[Place, Facts]:
        """Return the rows of a table that is to be written, before any search.

        What an earlier command wrote there is kept until its search is done anew.

        Raises:
            InputError: The file that is there is no such table.
        """
        try:
            earlier = read_searches(table) if table.is_file() else {}
        except InputError as error:
            raise InputError(
                f"{error}; or move the file away, for the searches are written there"
            ) from error
        return {**earlier, **self.taken}

    def told(self, searches: Set[Place]) -> str:
        """Return in a line how much is taken, left to do, and not used."""
        left, few = len(searches) - len(self.taken), len(self.others & searches)
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


def is_personal(key: str) -> bool:
    """Return whether a setting belongs to who uses it: a place of files, the seed."""
    return key in PERSONAL or key.endswith((".root", ".cache_dir"))


def given_of(job: Job) -> list[str]:
    """Return what decides a search beside its space, in one order on every machine.

    These are the overrides of its every trial, without what is personal, where the data
    lies, and where the run is logged.
    """
    parts = [override.lstrip("+").partition("=") for override in job.overrides]
    return [
        f"{key}={value}"
        for key, value in sorted({key: value for key, _, value in parts}.items())
        if not is_personal(key) and key not in PLACES and key.split(".")[0] != "logger"
    ]


def write_searches(path: Path, rows: Mapping[Place, Facts]) -> None:
    """Write a row per search, as CSV."""
    cells = [
        {
            "model": label,
            "split": split.partition("=")[2],
            **facts,
            **{name: " ".join(facts[name]) for name in LISTS},
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
        table = pl.read_csv(path, infer_schema=False, glob=False)
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
            **{name: row[name].split() for name in LISTS},
            **{name: row[name] for name in ("trials", "value", "seconds")},
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
        **{
            name: (
                pl.col(name).str.contains(r"^\s*[^\s=]+=\S+(\s+[^\s=]+=\S+)*\s*$"),
                "key=value, with blanks between several",
            )
            for name in LISTS
        },
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
    for what, difference in (
        ("not of the data and settings that are asked for now", _other_trials),
        ("not the keys that a search has now, by conf/tune", _other_space),
    ):
        changed = [
            f"line {lines[place]} ({place[0]}, {place[1]}): {words}"
            for place, facts in taken.items()
            if (words := difference(searches[place], facts))
        ]
        if changed:
            text = f"{path}: {what}: {'; '.join(changed)}; {SEARCH_AGAIN}"
            raise InputError(text)
    for place, facts in taken.items():
        try:
            experiment([*searches[place].overrides, *facts["settings"]])
        except InputError as error:
            where = f"{path}, line {lines[place]}"
            raise InputError(f"{where}: {error}; {SEARCH_AGAIN}") from error
    return Known(path, taken, rows.keys() - taken.keys())


def _other_trials(job: Job, facts: Facts) -> str:
    """Return in words how the trials of a search differ from those of one now."""
    return _words({*facts["given"]}, {*given_of(job)})


def _other_space(job: Job, facts: Facts) -> str:
    """Return in words how found settings differ in keys from those of a search now."""
    given = {setting.partition("=")[0] for setting in facts["settings"]}
    return _words(given, searched_keys(job.overrides))


def _words(found: Set[str], needed: Set[str]) -> str:
    parts = {"without": needed - found, "with": found - needed}
    return ", ".join(
        f"{word} {' and '.join(sorted(names))}"
        for word, names in parts.items()
        if names
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
