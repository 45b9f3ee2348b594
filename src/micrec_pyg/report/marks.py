"""Which best values of a table are better than every other model's, and how sure."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from micrec_pyg.evaluation.metrics import METRICS
from micrec_pyg.evaluation.significance import holm, rank_biserial, wilcoxon
from micrec_pyg.report.compare import Question, matched
from micrec_pyg.report.pairs import Seeds, common_seeds, metrics_in, pair
from micrec_pyg.report.same_task import OtherTaskError
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import DamagedFileError, InputError

logger = logging.getLogger(__name__)

MARK = "†"
"""Stands behind what is significant; an asterisk would be read as Markdown."""

OTHER_TASKS = "No best is told, as not all rows are of the same data and split."
"""The note of a table whose rows are no competitors; the log says which and why."""

Place = tuple[str, str, str]
"""Label, domain and metric."""


@dataclass(frozen=True)
class Marks:
    """The significant bests of one table."""

    places: frozenset[Place]
    note: str
    """For the caption: test, level and family, or why there is none."""
    comparable: bool = True
    """Whether the best of a column means anything: all rows are of one task."""


NO_MARKS = Marks(frozenset(), "")


@dataclass(frozen=True)
class _Test:
    """A best against one other model of its column."""

    best: Place
    above: bool
    """Whether it is better on the seeds that both have, by mean and by signed ranks."""
    p: float


def has_best(metric: str) -> bool:
    """Return whether more is better: of accuracy alone, not of novelty or Gini."""
    return metric.partition("@")[0] in METRICS


def significant_bests(
    models: Mapping[str, Seeds],
    cells: pl.DataFrame,
    *,
    group: str,
    part: str,
    alpha: float,
) -> Marks:
    """Return the bests of a table that beat every other model in their column.

    In every column the model with the best mean is tested against each of the others:
    Wilcoxon's signed-rank test over users, two-sided, on differences averaged over the
    seeds that both have. Holm's correction is over all these tests of the table. A
    best is marked if all of its own are below alpha.

    Args:
        models: As ``models_of`` returns them, of one data set and split.
        cells: As ``aggregate`` returns it, of one table, without averages over domains:
            they are no user's values.
        group: The table's group.
        part: ``val`` or ``test``.
        alpha: Level.
    """
    if cells["label"].n_unique() < 2:
        return NO_MARKS
    try:
        tests = list(_tests(models, cells, group, part))
    except DamagedFileError:
        raise  # no table of what cannot be read
    except OtherTaskError as error:
        logger.warning("group %s: no best is shown: %s", group, error)
        return Marks(frozenset(), OTHER_TASKS, comparable=False)
    except InputError as error:
        logger.warning("group %s: bests are not tested: %s", group, error)
        return Marks(frozenset(), "Bests are not tested: the runs cannot be paired.")
    if not tests:
        return NO_MARKS
    corrected = holm(np.array([test.p for test in tests]))
    failed = {
        test.best
        for test, p in zip(tests, corrected, strict=True)
        if p >= alpha or not test.above
    }
    return Marks(
        frozenset(test.best for test in tests) - failed,
        f"{MARK} = better than every other model of its column: Wilcoxon signed-rank "
        f"test over users, two-sided, alpha = {alpha:g}, Holm-corrected over the "
        f"{len(tests)} tests of this table. Averages over domains are not tested.",
    )


def models_of(results: pl.DataFrame) -> dict[str, dict[int, Run]]:
    """Return the runs of each label by seed, labels in order.

    Args:
        results: As ``collect`` returns it, of one data set and split.
    """
    models: dict[str, dict[int, Run]] = {}
    for label, folder in results.select("label", "run").unique().sort("*").iter_rows():
        run = read_run(Path(folder))
        models.setdefault(label, {})[run.seed] = run
    return models


def _tests(
    models: Mapping[str, Seeds], cells: pl.DataFrame, group: str, part: str
) -> Iterator[_Test]:
    """Yield the tests of every column of one table.

    Raises:
        InputError: The runs are no answers to the same questions.
    """
    present = {k: v for k, v in models.items() if k in cells["label"]}
    runs = [run for seeds in present.values() for run in seeds.values()]
    stored = set.intersection(*(set(metrics_in(run)) for run in runs))
    stored = {metric for metric in stored if has_best(metric)}
    cells = cells.filter(pl.col("metric").is_in(stored))
    question = Question(part=part, groups=[group], metrics=sorted(stored))
    for (first, label), domains in _compared(cells).items():
        matched(present[first], present[label], domains, question)
    columns = cells.sort("domain", "metric", "mean", "label").group_by(
        "domain", "metric", maintain_order=True
    )
    bests = columns.agg(pl.col("label").last()).group_by(
        "domain", "label", maintain_order=True
    )
    # files are read once for all the columns that one model leads
    for domain, best, metrics in bests.agg("metric").iter_rows():
        there = {*cells.filter(domain=domain)["label"]} - {best}
        for label in [label for label in present if label in there]:
            found = pair(
                present[label],
                present[best],
                seeds=common_seeds(present[label], present[best]),
                part=part,
                domain=domain,
                group=group,
                metrics=metrics,
            )
            for metric, pairs in found.items():
                if len(pairs.difference):
                    d = pairs.difference
                    # few large gains may outweigh many small losses: the test, which
                    # reads ranks, would then be sure of the losses
                    above = bool(d.mean() > 0) and rank_biserial(d) > 0
                    yield _Test((best, domain, metric), above, wilcoxon(d))


def _compared(cells: pl.DataFrame) -> dict[tuple[str, str], list[str]]:
    """Return the domains in which two models stand in one column, by their labels.

    In each domain every model is there once beside the first one, which is enough to
    tell whether all of them answered the same questions. Runs on one domain alone
    stand in the columns of that domain only.
    """
    found: dict[tuple[str, str], list[str]] = {}
    columns = cells.select("domain", "label").unique().sort("domain", "label")
    for (domain,), rows in columns.group_by("domain", maintain_order=True):
        first, *rest = rows["label"]
        for label in rest:
            found.setdefault((first, label), []).append(str(domain))
    return found
