"""What can be read but may not be what was meant, in a domain and between domains."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.domain_folder import DomainFolder
from micrec_pyg.data.catalogue.filters import no_rows
from micrec_pyg.data.catalogue.folder_names import TABLES
from micrec_pyg.data.catalogue.interactions import list_items
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.data.files.table_names import stem_of
from micrec_pyg.data.files.texts import HOLD_TEXTS, one_text
from micrec_pyg.schema import IMAGE

MAX_TEXT = 100_000
"""Characters of a field; a longer one may hold the rest of the file."""
_EARLIEST = 788_918_400  # 1995-01-01: no shop or film site recorded anything before
_BUSY_ROWS = 100


def check_domain(content: DomainFolder, problems: Problems) -> None:
    """Refuse a domain without rows, and warn of what is odd in it."""
    source, items = (_file(content, stem) for stem in TABLES)
    faulty = {problem.file for problem in problems.found if problem.error}
    if content.rows.is_empty() and source not in faulty:
        problems.add(Problem(content.path.parent, no_rows(content.path.name)))
    notes = [
        *((source, *note) for note in _ids(content)),
        *((source, *note) for note in _sizes(content.rows)),
        *((source, *note) for note in _times(content)),
        *((items, *note) for note in _texts(content.items)),
        *((content.path, *note) for note in _misfits(content)),
    ]
    for file, fault, mend in notes:
        problems.add(Problem(file, fault, mend, error=False))


def check_between(
    contents: Sequence[DomainFolder], problems: Problems, *, by_id: bool
) -> None:
    """Warn of ids that two domains share by accident, or fail to share.

    Args:
        contents: the domains.
        problems: gets the warnings.
        by_id: whether users with one id are one person; False with link tables.
    """
    for one, other in itertools.combinations(contents, 2):
        for fault, mend in _collisions(one, other, by_id):
            file = Path(one.path.parent)
            problems.add(Problem(file, fault, mend, error=False))


def _file(content: DomainFolder, stem: str) -> Path:
    """Return the table that was read, the folder where there was none."""
    named = [name for name in content.sources if stem_of(name) == stem]
    return content.path / named[0] if named else content.path


Note = tuple[str, str]
"""What is odd, and what to do if it is not meant."""


def _ids(content: DomainFolder) -> list[Note]:
    """Return notes on user ids that are items, and on blanks around ids."""
    notes = []
    rows = content.rows
    users, items = (rows[name].unique().cast(pl.String) for name in ("user", "item"))
    known = content.items["item"] if content.items.height else items
    both = users.filter(users.is_in(known.implode()))
    swapped = len(both) > len(users) / 2 and not items.is_in(known.implode()).any()
    if swapped:
        mend = "exchange the columns user and item"
        notes.append(("most users, and no item, are in the items table", mend))
    elif len(both.filter(~both.str.contains(r"^\d+$"))):
        name = both.filter(~both.str.contains(r"^\d+$")).sort()[0]
        fault = f"{len(both):,} user ids look like items, such as '{name}'"
        notes.append((fault, "see whether the columns user and item are exchanged"))
    for column in ("user", "item"):
        text = rows[column].cast(pl.String)
        blanks = rows.filter(text != text.str.strip_chars())
        if blanks.height:
            fault = f"{blanks.height:,} rows have blanks around the {column} id"
            mend = f"such as {blanks[column][0]!r}: cut them, ' 7' is not '7'"
            notes.append((fault, mend))
    return notes


def _sizes(rows: pl.DataFrame) -> list[Note]:
    """Return notes on repeated pairs and on counts that no catalogue has."""
    notes = []
    pair = rows.select("user", "item")
    repeated = rows.height - pair.n_unique()
    if repeated:
        user, item = pair.filter(pair.is_duplicated()).row(0)
        fault = f"{repeated:,} rows repeat a pair, such as user '{user}', item '{item}'"
        notes.append((fault, "the option duplicates decides which row stays"))
    for column, other in (("user", "item"), ("item", "user")):
        counts = rows[column].value_counts(sort=True, name="rows")
        if rows.height and counts.height == 1:
            fault = f"there is only one {column}, '{counts[column][0]}'"
            notes.append((fault, f"see whether the column {column} is the right one"))
        elif rows.height >= _BUSY_ROWS and counts["rows"][0] > rows.height / 2:
            name, most = counts.row(0)
            fault = f"{column} '{name}' has {most:,} of {rows.height:,} rows"
            mend = f"a mark for an unknown {column}, or a robot? Drop its rows"
            notes.append((fault, mend))
        if counts.height == rows.height >= _BUSY_ROWS:
            fault = f"no {column} has more than one {other}"
            notes.append((fault, f"is {column} a row number? Nothing can be learnt"))
    return notes


def _times(content: DomainFolder) -> list[Note]:
    """Return notes on times that are too early, too late, or all the same."""
    notes: list[Note] = []
    rows = content.rows
    if content.clock == "timestamp" and rows.height:
        early = int((rows["time"] < _EARLIEST).sum())
        late = int((rows["time"] > int(time.time())).sum())
        if early:
            fault = f"{early:,} timestamps are before 1995, the first {_day(rows)}"
            notes.append((fault, "a column of mere order is called order"))
        if late:
            notes.append((f"{late:,} timestamps are in the future", "correct them"))
        if rows.height > 1 and rows["time"].n_unique() == 1:
            notes.append(("all timestamps are the same", "are they of the export?"))
    if "part" in rows.columns:
        for part, name in enumerate(("train", "validation", "test")):
            if not (rows["part"] == part).any():
                fault = f"no row has x_label {part} ({name})"
                notes.append((fault, "split=ready will have no such part"))
    return notes


def _day(rows: pl.DataFrame) -> str:
    """Return the earliest day of the rows."""
    return str(rows.select(pl.from_epoch(pl.col("time").min())).item())[:10]


def _texts(items: pl.DataFrame) -> list[Note]:
    """Return notes on texts that were damaged or are too long."""
    notes = []
    for column in map(one_text, items.drop("item").select(pl.col(HOLD_TEXTS))):
        name = column.name
        broken = int(column.str.contains("\ufffd", literal=True).sum())
        if broken:
            fault = f"column '{name}': {broken:,} texts hold the character U+FFFD"
            notes.append((fault, "letters were lost in a conversion: export again"))
        lengths = column.str.len_chars().fill_null(0).to_list()
        if (longest := max(lengths, default=0)) > MAX_TEXT:
            fault = f"column '{name}': a text has {longest:,} characters"
            notes.append((fault, "look for a quote that never ends"))
        if items.height > 1 and column.is_null().all():
            notes.append((f"column '{name}' is empty", "leave it out or fill it in"))
    return notes


def _misfits(content: DomainFolder) -> list[Note]:
    """Return notes on items, images and vectors that do not fit together."""
    counts = content.counts
    texts = {
        "items_missing_from_items_table": (
            "items are not in the items table and have no text",
            "add them, or compare how the ids are written in both tables",
        ),
        "images_of_unknown_items": (
            "images are of items that no table has",
            "an image is called <item id>.<ending>",
        ),
        "vectors_of_unknown_items": (
            "vectors are of items that no table has",
            "compare how the ids are written",
        ),
        "facts_of_unknown_items": (
            "facts (kg) are of items that no table has",
            "compare how the ids are written",
        ),
        "repeated_facts": ("facts (kg) stand there twice", "they count once"),
    }
    for modality in content.files.keys() - {IMAGE}:
        texts[f"{modality}_files_of_unknown_items"] = (
            f"files of {modality} are of items that no table has",
            "a file is called <item id>.<ending>",
        )
    notes = [
        (f"{counts[k]:,} {what}", m) for k, (what, m) in texts.items() if counts.get(k)
    ]
    return [*notes, *_missing(content)]


def _missing(content: DomainFolder) -> list[Note]:
    """Return notes on items without a file of a modality, images aside."""
    known = list_items(content.rows, content.items["item"])
    notes = []
    for modality, files in content.files.items():
        missing = known.filter(~known.is_in(files["item"].implode())).sort()
        if modality != IMAGE and len(missing):
            fault = (
                f"{len(missing):,} of {len(known):,} items have no {modality}, "
                f"such as '{missing[0]}'"
            )
            notes.append((fault, "nothing needs to be done if they have none"))
    return notes


def _collisions(one: DomainFolder, other: DomainFolder, by_id: bool) -> list[Note]:
    """Return notes on the ids that two domains have in common."""
    notes = []
    names = f"{one.path.name} and {other.path.name}"
    first, second = _described(one), _described(other)
    both = first.join(second, on="item")
    unlike = both.filter(pl.col("text").ne_missing(pl.col("text_right")))
    alike = both.filter(pl.col("text") == pl.col("text_right"))
    if unlike.height:
        item, text, second_text = unlike.row(0)
        notes.append(
            (
                f"{names} have {unlike.height:,} item ids in common with different "
                f"texts, such as '{item}': {_cut(text)} and {_cut(second_text)}",
                "they count as different items; if they are not, give one text",
            )
        )
    if alike.height:
        fault = f"{names} have {alike.height:,} items in common, such as "
        mend = "they count as different items, with separate interactions"
        notes.append((f"{fault}'{alike['item'][0]}'", mend))
    users, others = one.rows["user"].unique(), other.rows["user"].unique()
    without_rows = users.is_empty() or others.is_empty()
    if by_id and not without_rows and not users.is_in(others.implode()).any():
        mend = "if they share people, write one id for a person, or give links=[FILE]"
        notes.append((f"{names} have no user id in common", mend))
    return notes


def _described(content: DomainFolder) -> pl.DataFrame:
    """Return the items of a domain, and all that its items table says of them."""
    texts = content.items.drop("item").select(pl.col(pl.String)).columns
    joined = pl.concat_str(pl.col(texts).fill_null(""), separator=" | ")
    text = joined if texts else pl.lit(None, pl.String)
    text = pl.when(text.str.contains(r"[^\s|]")).then(text)  # blanks are no text
    every = list_items(content.rows, content.items["item"]).sort()
    table = content.items.select("item", text=text)
    return every.to_frame("item").join(table, on="item", how="left")


def _cut(text: str | None) -> str:
    """Return the beginning of a text, for a message."""
    if text is None:
        return "no text"
    return f"'{text}'" if len(text) <= 40 else f"'{text[:37]}...'"
