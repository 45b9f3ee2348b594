"""What a page is made of, before it is HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from micrec_pyg.report.interval import interval
from micrec_pyg.report.model_grid import ABSENT, Entry, ModelGrid


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    value: float | None = None
    """What the column is sorted by; None sorts by the text."""
    below: str = ""
    """A second line in small type, such as an interval."""
    place: int = 0
    """1 for the best of a column, 2 for the second, 0 for any other."""
    signs: str = ""


@dataclass(frozen=True)
class Table:
    """A table that sorts by a click on its head; the first column names the rows."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Chart:
    """A picture that answers to the pointer."""

    caption: str
    spec: Mapping[str, Any]
    """In Vega-Lite."""
    kind: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Text:
    """Paragraphs."""

    sentences: Sequence[str]
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Code:
    """Text in type of equal width."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Tile:
    """An item as people see it."""

    text: str
    below: str
    """A second line in small type."""
    picture: str | None
    """Address of an image within the page (``data:``)."""


@dataclass(frozen=True)
class Shelf:
    """Items beside each other, in their order."""

    caption: str
    tiles: Sequence[Tile]
    kind: ClassVar[str] = "shelf"


@dataclass(frozen=True)
class Fold:
    """Blocks that show when they are asked for."""

    title: str
    blocks: Sequence["Block"]
    kind: ClassVar[str] = "fold"


Block = Table | Chart | Text | Code | Heading | Shelf | Fold


@dataclass(frozen=True)
class Section:
    """A part of a page, with an entry in its contents."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """All of a page."""

    title: str
    facts: Mapping[str, str]
    """Under the title."""
    headline: Sequence[str]
    """What the page says, in sentences."""
    sections: Sequence[Section]
    warnings: Sequence[str] = field(default_factory=tuple)


def plain(text: object) -> Cell:
    """Return a cell of a text or number; one that is None is absent."""
    if text is None:
        return Cell(ABSENT)
    if isinstance(text, float):
        return Cell(f"{text:.4g}", text)
    if isinstance(text, int):
        return Cell(f"{text:,}", text)
    return Cell(str(text), _number(str(text)))


def table_of_texts(caption: str, rows: Sequence[Sequence[object]]) -> Table:
    """Return a table; the first row is the head."""
    head, *body = rows
    return Table(
        caption, [str(name) for name in head], [[*map(plain, row)] for row in body]
    )


def table_of_grid(
    caption: str, grid: ModelGrid, names: Sequence[str] | None = None
) -> Table:
    """Return a table of results, with intervals where there are several seeds.

    Args:
        caption: What is in it.
        grid: The numbers.
        names: Of the columns; None names domain and metric.
    """
    columns = names or [f"{domain} {metric}" for domain, metric in grid.columns]
    head = ["model", *columns]
    rows = [
        [Cell(row.name), *map(_entry, row.entries), plain(row.seeds)]
        for row in grid.rows
    ]
    return Table(caption, [*head, "seeds"], rows)


def spread(values: Sequence[float], *, digits: int = 4, of_seeds: bool = False) -> Cell:
    """Return a cell with mean and standard deviation of some values.

    Args:
        values: Perhaps none.
        digits: Behind the point.
        of_seeds: Whether they differ in the seed alone; then the interval is told.
    """
    if not values:
        return Cell(ABSENT)
    found = interval(values)
    text = f"{found.mean:.{digits}f}"
    if found.sd is not None:
        text += f" ± {found.sd:.{digits}f}"
    return Cell(text, found.mean, found.text(digits) if of_seeds else "")


def _entry(entry: Entry | None) -> Cell:
    if entry is None:
        return Cell(ABSENT)
    return Cell(
        entry.text,
        entry.mean,
        entry.interval.text(),
        place=entry.place,
        signs=entry.signs,
    )


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "").rstrip("‡"))
    except ValueError:
        return None
