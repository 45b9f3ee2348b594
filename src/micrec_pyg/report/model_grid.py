"""One table of results: models down, metrics within domains across."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from micrec_pyg import grid
from micrec_pyg.report.interval import Interval, interval_of
from micrec_pyg.report.marks import MARK, NO_MARKS, Marks, Place, has_best
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.runs.grids import FEW

FEW_NOTE = (
    f"{FEW} = at most k candidates in some seed: recall at k is 1 for any model there."
)

ABSENT = "-"
"""Stands where a model has no answer, or no run."""


def few_candidates(
    results: pl.DataFrame, metrics: Sequence[str]
) -> frozenset[tuple[str, str]]:
    """Return the domains and metrics whose lists hold every candidate.

    An average over domains is among them as soon as one of its domains is.
    """
    counts = results.filter(metric="candidates").group_by("domain")
    least = dict(counts.agg(pl.col("value").min()).iter_rows())
    found = {
        (domain, metric)
        for domain, number in least.items()
        for metric in metrics
        if has_best(metric) and number <= int(metric.partition("@")[2])
    }
    return frozenset(found | {(AVERAGE, metric) for _, metric in found})


@dataclass(frozen=True)
class Entry:
    """One value of a table."""

    mean: float
    sd: float | None
    """Sample standard deviation over seeds; None for one seed."""
    seeds: int
    place: int
    """1 for the one best of a column, 2 for the one second, else 0; also in a tie."""
    marked: bool = False
    """Whether it is significantly better than every other of its column."""
    few: bool = False
    """Whether the lists hold every candidate."""

    @property
    def text(self) -> str:
        """Return ``0.1234 ± 0.0012``; no deviation for one seed."""
        mean = f"{self.mean:.4f}"
        return mean if self.sd is None else f"{mean} ± {self.sd:.4f}"

    @property
    def interval(self) -> Interval:
        """Return where the mean over seeds lies."""
        return interval_of(self.mean, self.sd, self.seeds)

    @property
    def signs(self) -> str:
        """Return what stands behind the number."""
        return MARK * self.marked + FEW * self.few


@dataclass(frozen=True)
class Row:
    """One model of a table."""

    label: str
    name: str
    """As printed."""
    entries: Sequence[Entry | None]
    """One per column; None where the model has no answer, or no run."""

    @property
    def seeds(self) -> str:
        """Return the largest number of seeds in the row."""
        found = (entry.seeds for entry in self.entries if entry is not None)
        return str(max(found, default=ABSENT))


@dataclass(frozen=True)
class ModelGrid:
    """One table: models down, metrics within domains across."""

    columns: Sequence[tuple[str, str]]
    """Domain and metric."""
    rows: Sequence[Row]

    def markdown(self) -> str:
        """Return the table as Markdown, the best of a column in bold."""
        head = ["model", *(f"{domain} {metric}" for domain, metric in self.columns)]
        lines = [[*head, "seeds"]]
        for row in self.rows:
            cells = [ABSENT if e is None else _bold(e) + e.signs for e in row.entries]
            lines.append([row.name, *cells, row.seeds])
        table = grid.markdown(lines, right=range(1, len(lines[0])))
        return "".join(f"{line}\n" for line in table)


def model_grid(
    cells: pl.DataFrame,
    labels: Sequence[str],
    metrics: Sequence[str],
    names: Mapping[str, str],
    marks: Marks = NO_MARKS,
    few: frozenset[tuple[str, str]] = frozenset(),
) -> ModelGrid:
    """Return one table of results.

    Args:
        cells: As ``aggregate`` returns it, of one data set, split and group.
        labels: Rows, in this order.
        metrics: Columns, within each domain.
        names: Label -> printed name, where it is another one.
        marks: Significant bests, and whether there are bests at all.
        few: As ``few_candidates`` returns it.
    """
    found = {
        (row["label"], row["domain"], row["metric"]): row for row in cells.to_dicts()
    }
    domains = sorted({domain for _, domain, _ in found} - {AVERAGE})
    # the average of one domain would repeat it
    blocks = [*domains, AVERAGE] if len(domains) > 1 else domains
    columns = [(domain, metric) for domain in blocks for metric in metrics]
    places = _places(found.values()) if marks.comparable else {}
    rows = []
    for label in labels:
        entries: list[Entry | None] = []
        for column in columns:
            key = (label, *column)
            if (row := found.get(key)) is None:
                entries.append(None)
                continue
            place, numbers = places.get(key, 0), (row["mean"], row["sd"], row["seeds"])
            entries.append(Entry(*numbers, place, key in marks.places, column in few))
        rows.append(Row(label, names.get(label, label), entries))
    return ModelGrid(columns, rows)


def seeds_note(grid: ModelGrid) -> str:
    """Return what a reader must know where rows have unlike numbers of seeds."""
    counts = [row.seeds for row in grid.rows if row.seeds != ABSENT]
    if len({*counts}) < 2:
        return ""
    least, most = min(counts, key=int), max(counts, key=int)
    return (
        f"Rows are means of {least} to {most} seeds (last column): the fewer, the less "
        "a difference says."
    )


def _places(rows: Collection[Mapping[str, Any]]) -> dict[Place, int]:
    """Return 1 for the best mean of each domain and metric, and 2 for the second.

    Nobody has a place that another label prints the same digits for, nor a place
    behind such a tie; nobody has one in a table of one label.
    """
    several = len({row["label"] for row in rows}) > 1
    means: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        domain, metric = row["domain"], row["metric"]
        if several and (has_best(metric) or has_best(domain)):  # see overview
            means.setdefault((domain, metric), {})[row["label"]] = f"{row['mean']:.4f}"
    found = {}
    for column, by_label in means.items():
        for place, value in enumerate(sorted({*by_label.values()}, key=float)[:-3:-1]):
            own = [label for label, printed in by_label.items() if printed == value]
            if len(own) > 1:
                break
            found[(own[0], *column)] = place + 1
    return found


def _bold(entry: Entry) -> str:
    return f"**{entry.text}**" if entry.place == 1 else entry.text
