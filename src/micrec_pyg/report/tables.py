"""The long table of results -> Markdown for people, CSV for tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from micrec_pyg.report.marks import (
    NO_MARKS,
    OTHER_TASKS,
    Marks,
    models_of,
    significant_bests,
)
from micrec_pyg.report.model_grid import (
    ABSENT,
    FEW_NOTE,
    ModelGrid,
    few_candidates,
    model_grid,
    seeds_note,
)
from micrec_pyg.report.pairs import Seeds
from micrec_pyg.runs.averages import AVERAGE
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text

KEYS = ["dataset", "split", "group", "label", "domain", "metric"]


def aggregate(
    results: pl.DataFrame,
    *,
    metrics: Sequence[str],
    groups: Sequence[str],
    part: str = "test",
) -> pl.DataFrame:
    """Return mean, sd and number of seeds per model, domain, group and metric.

    The average over domains is taken within a seed, and only where the run has a
    value in every domain of the data set. sd is the sample standard deviation over
    seeds (n - 1), null for one seed.

    Args:
        results: As ``collect`` returns it.
        metrics: Names such as ``recall@20``.
        groups: Names such as ``all``.
        part: ``val`` or ``test``.

    Raises:
        InputError: No run has this part, or one of the metrics.
    """
    chosen = results.filter(part=part)
    if chosen.is_empty():
        raise InputError(
            f"no run has '{part}' results; evaluate the runs first "
            "(micrec evaluate RUN)"
        )
    valid = chosen["metric"].unique().sort().to_list()
    unknown = [metric for metric in metrics if metric not in valid]
    if unknown:
        raise InputError(
            f"no run has the metrics {', '.join(unknown)}; valid: {', '.join(valid)}"
        )
    domains = chosen.group_by("dataset", "split").agg(
        pl.col("domain").n_unique().alias("all")
    )
    chosen = chosen.filter(
        pl.col("metric").is_in(metrics) & pl.col("group").is_in(groups)
    )
    keys = [key for key in KEYS if key != "domain"]
    average = (
        chosen.sort("domain")
        .group_by(*keys, "seed", maintain_order=True)
        .agg(pl.col("value").mean(), pl.len().alias("found"))
        .join(domains, on=["dataset", "split"])
        .filter(pl.col("found") == pl.col("all"))
        .with_columns(pl.lit(AVERAGE).alias("domain"))
    )
    columns = [*KEYS, "seed", "value"]
    return (
        pl.concat([chosen.select(columns), average.select(columns)])
        # the last digit of a mean depends on the order of its terms
        .sort([*KEYS, "seed"])
        .group_by(KEYS, maintain_order=True)
        .agg(
            pl.col("value").mean().alias("mean"),
            pl.col("value").std().alias("sd"),
            pl.col("seed").n_unique().alias("seeds"),
        )
        .sort(KEYS)
    )


@dataclass(frozen=True)
class GroupTable:
    """The table of one group."""

    group: str
    notes: Sequence[str]
    """What its signs mean."""
    grid: ModelGrid


@dataclass(frozen=True)
class Sheet:
    """All tables of one data set and split."""

    dataset: str
    split: str
    about: str
    """Part, seeds and tuning."""
    tables: Sequence[GroupTable]

    @property
    def comparable(self) -> bool:
        """Return whether the rows are of one task, as far as that was looked at."""
        return not any(OTHER_TASKS in table.notes for table in self.tables)

    def caption(self, *, underlined: bool = False) -> str:
        """Return what must be known to read the tables.

        Args:
            underlined: Whether the second best of a column is marked too.
        """
        best = "second underlined, a tie neither" if underlined else "but no tie"
        return (
            f"{self.about} Mean ± standard deviation over seeds; best mean of a column "
            f"in bold, {best}; {ABSENT} = no answer; {AVERAGE} = unweighted over "
            "domains."
        )


def sheets(
    results: pl.DataFrame,
    *,
    metrics: Sequence[str],
    groups: Sequence[str],
    part: str = "test",
    tuning: str,
    names: Mapping[str, str],
    alpha: float | None = None,
) -> list[Sheet]:
    """Return a sheet per data set and split, and in it a table per group.

    Args:
        results: As ``collect`` returns it.
        metrics: Columns, within each domain.
        groups: Tables, in this order; one that no run has is left out.
        part: ``val`` or ``test``.
        tuning: The tuning budget, in words; printed above every table.
        names: Label -> printed name. Models it names come first, in its order;
            the others follow by label.
        alpha: Level at which bests are tested against all others and marked, see
            ``marks``; None tests nothing.

    Raises:
        InputError: No run has this part, or one of the metrics.
    """
    table = aggregate(results, metrics=metrics, groups=groups, part=part)
    found = []
    for dataset, split in table.select("dataset", "split").unique().sort("*").rows():
        mine = results.filter(dataset=dataset, split=split, part=part)
        labels = _ordered(mine["label"].unique().sort().to_list(), names)
        seeds = ", ".join(map(str, mine["seed"].unique().sort().to_list()))
        about = f"Part: {part}. Seeds: {seeds}. Tuning: {tuning}."
        # read once for all groups
        models = {} if alpha is None else models_of(mine)
        tables = []
        for group in groups:
            cells = table.filter(dataset=dataset, split=split, group=group)
            if not cells.is_empty():
                marks = _marks(models, cells, group=group, part=part, alpha=alpha)
                few = few_candidates(mine.filter(group=group), metrics)
                grid = model_grid(cells, labels, metrics, names, marks, few)
                notes = [marks.note, FEW_NOTE if few else "", seeds_note(grid)]
                tables.append(GroupTable(group, [n for n in notes if n], grid))
        found.append(Sheet(dataset, split, about, tables))
    return found


def _marks(
    models: Mapping[str, Seeds],
    cells: pl.DataFrame,
    *,
    group: str,
    part: str,
    alpha: float | None,
) -> Marks:
    """Return the significant bests of one table; none without a level."""
    if alpha is None:
        return NO_MARKS
    own = cells.filter(pl.col("domain") != AVERAGE)
    return significant_bests(models, own, group=group, part=part, alpha=alpha)


def as_markdown(pages: Sequence[Sheet]) -> str:
    """Return sheets as Markdown: a section each, and in it a table per group."""
    text = []
    for sheet in pages:
        text.append(f"## {sheet.dataset}, split {sheet.split}\n\n{sheet.caption()}\n")
        for table in sheet.tables:
            note = "".join(f"{sentence}\n\n" for sentence in table.notes)
            text.append(f"### {table.group}\n\n{note}{table.grid.markdown()}")
    return "\n".join(text)


def overview(
    results: pl.DataFrame,
    *,
    metric: str,
    groups: Sequence[str],
    part: str = "test",
    names: Mapping[str, str],
) -> ModelGrid:
    """Return one table of one data set and split: models down, groups across.

    Values are those of the average over domains. A group that no run has is left out.

    Args:
        results: As ``collect`` returns it, of one data set and split.
        metric: Name such as ``recall@20``.
        groups: Columns, in this order.
        part: ``val`` or ``test``.
        names: As in ``sheets``.

    Raises:
        InputError: No run has this part, or the metric.
    """
    table = aggregate(results, metrics=[metric], groups=groups, part=part)
    # the grid's columns are (domain, metric): here (metric, group)
    cells = table.filter(domain=AVERAGE).with_columns(
        domain=pl.col("metric"), metric=pl.col("group")
    )
    labels = results.filter(part=part)["label"].unique().sort().to_list()
    present = [group for group in groups if group in cells["metric"]]
    return model_grid(cells, _ordered(labels, names), present, names)


def write(
    results: pl.DataFrame,
    path: Path,
    *,
    metrics: Sequence[str],
    groups: Sequence[str],
    part: str = "test",
    names: Mapping[str, str],
    text: str,
) -> tuple[Path, Path]:
    """Return the paths of the tables written: ``path`` and its twin in CSV.

    The CSV is long: dataset, split, group, model, label, domain, metric, mean, sd,
    seeds. Arguments and errors: see ``sheets``.

    Args:
        results: As ``collect`` returns it.
        path: The Markdown file, such as ``outputs/report.md``.
        metrics: Metrics in the CSV.
        groups: Groups in the CSV.
        part: ``val`` or ``test``.
        names: Label -> printed name.
        text: What the Markdown file says.

    Raises:
        InputError: ``path`` is none of a Markdown file, or see ``sheets``.
    """
    if path.suffix != ".md":
        raise InputError(f"'{path}' was given; name a Markdown file (*.md)")
    table = aggregate(results, metrics=metrics, groups=groups, part=part)
    printed = pl.col("label").replace(dict(names)).alias("model")
    ordered = table.select("dataset", "split", "group", printed, pl.exclude(KEYS[:3]))
    pages = path, path.with_suffix(".csv")
    write_text(pages[0], text)
    write_text(pages[1], ordered.write_csv())
    return pages


def _ordered(labels: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Return the named labels in the order of ``names``, then the rest."""
    first = [label for label in names if label in labels]
    return first + [label for label in labels if label not in names]
