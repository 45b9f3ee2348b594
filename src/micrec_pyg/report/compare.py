"""Models against a reference, tested cell by cell: domain, group and metric."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from micrec_pyg.evaluation.significance import (
    PairedTest,
    TestOptions,
    holm,
    paired_test,
)
from micrec_pyg.report.collect import labels_of
from micrec_pyg.report.pairs import Pairs, Seeds, check_results, common_seeds, pair
from micrec_pyg.report.same_task import check_same_domains, check_same_task, digests_of
from micrec_pyg.runs.read import Run, find_runs
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which results are compared."""

    part: str
    """``val`` or ``test``."""
    groups: Sequence[str]
    metrics: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse one text for several, and count what is named twice once."""
        for key in ("groups", "metrics"):
            given = getattr(self, key)
            if isinstance(given, str):
                raise InputError(f"{key}='{given}': give a list, such as ['{given}']")
            object.__setattr__(self, key, tuple(dict.fromkeys(given)))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One line of a comparison; without pairs where a model has no answer."""

    domain: str
    group: str
    metric: str
    reference: str
    """Label of what is subtracted."""
    model: str
    """Label of what it is subtracted from."""
    pairs: Pairs | None
    result: PairedTest | None
    p_holm: float | None = None
    """Corrected over all tested cells of the table."""

    @property
    def seed_sd(self) -> float | None:
        """Return the sample standard deviation of the seeds' mean differences."""
        if self.pairs is None or len(self.pairs.by_seed) < 2:
            return None
        return float(np.std(list(self.pairs.by_seed.values()), ddof=1))


def by_label(runs: Sequence[Run]) -> dict[str, dict[int, Run]]:
    """Return runs by label and seed, in the order given.

    Raises:
        InputError: Two runs have one label and one seed.
    """
    labels = labels_of(runs)
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        seeds = found.setdefault(labels[run.path], {})
        if run.seed in seeds:
            raise InputError(
                f"{seeds[run.seed].path} and {run.path} are both '{labels[run.path]}' "
                f"with seed {run.seed}: a run twice, or on other data or another "
                "split; name one of them"
            )
        seeds[run.seed] = run
    return found


def compare(
    roots: Sequence[str],
    question: Question,
    options: TestOptions,
    *,
    reference: str | None = None,
) -> list[Cell]:
    """Return every model against the reference, per domain, group and metric.

    Args:
        roots: Run folders, or folders that hold some.
        question: What is compared; the order of its groups and metrics is kept.
        options: Of test and interval.
        reference: Label or run folder; None takes the runs in the first root.

    Raises:
        InputError: There is nothing to compare, or runs cannot be compared.
    """
    models = by_label(find_runs(roots))
    name = _reference(models, roots[0], reference)
    base = models.pop(name)
    if not models:
        raise InputError(
            f"all runs are '{name}'; give runs of at least one other model or setting"
        )
    domains = sorted(digests_of(next(iter(base.values()))))
    seeds = {}
    for label, other in models.items():
        for run in (*base.values(), *other.values()):
            check_same_domains(next(iter(base.values())), run)
        seeds[label] = matched(base, other, domains, question)
    check_groups([base, *models.values()], question)
    return corrected(
        [
            cell
            for domain in domains
            for group in question.groups
            for label, other in models.items()
            for cell in cells(
                {name: base},
                {label: other},
                domain=domain,
                group=group,
                seeds=seeds[label],
                question=question,
                options=options,
            )
        ]
    )


def matched(
    reference: Seeds, other: Seeds, domains: Sequence[str], question: Question
) -> list[int]:
    """Return the seeds in which two models answered the same questions.

    Raises:
        InputError: They did not, or one has no such results.
    """
    seeds = common_seeds(reference, other)
    if lone := sorted(set(reference) ^ set(other)):
        logger.warning(
            "%s and %s: the seeds %s are left out, one of the two lacks them",
            *(next(iter(runs.values())).path for runs in (reference, other)),
            lone,
        )
    for seed in seeds:
        runs = reference[seed], other[seed]
        check_same_task(*runs, domains)
        for run in runs:
            check_results(run, question.part, question.metrics)
    return seeds


def cells(
    reference: Mapping[str, Seeds],
    other: Mapping[str, Seeds],
    *,
    domain: str,
    group: str,
    seeds: Sequence[int],
    question: Question,
    options: TestOptions,
    overlap_of_other: bool = False,
) -> list[Cell]:
    """Return the tested cells of one domain and group, one per metric.

    Args:
        reference: One label and its runs.
        other: Likewise.
        domain: Name.
        group: Name.
        seeds: As ``matched`` returns them.
        question: Has part and metrics.
        options: Of test and interval.
        overlap_of_other: As in ``pairs.pair``.
    """
    ((name, base),), ((label, model),) = reference.items(), other.items()
    found = pair(
        base,
        model,
        seeds=seeds,
        part=question.part,
        domain=domain,
        group=group,
        metrics=question.metrics,
        overlap_of_other=overlap_of_other,
    )
    tested = []
    for metric in question.metrics:
        pairs = found.get(metric)
        if pairs is not None and not len(pairs.difference):
            pairs = None
        result = None if pairs is None else paired_test(pairs.difference, options)
        tested.append(
            Cell(
                domain=domain,
                group=group,
                metric=metric,
                reference=name,
                model=label,
                pairs=pairs,
                result=result,
            )
        )
    return tested


def corrected(table: Sequence[Cell]) -> list[Cell]:
    """Return the cells with p values corrected over all that were tested.

    Raises:
        InputError: No cell was tested.
    """
    p = np.array([math.nan if c.result is None else c.result.p for c in table])
    there = ~np.isnan(p)
    if not there.any():
        raise InputError(
            "no model has an answer where the reference has one; choose other groups "
            "with --group (docs/metrics.md)"
        )
    p[there] = holm(p[there])
    return [
        replace(cell, p_holm=float(value) if found else None)
        for cell, value, found in zip(table, p, there, strict=True)
    ]


def check_groups(models: Sequence[Seeds], question: Question) -> None:
    """Refuse a group that no run has.

    Raises:
        InputError: The message lists those there are.
    """
    runs = [run for seeds in models for run in seeds.values()]
    parts = [run.record.get(question.part, {}) for run in runs]
    valid = sorted({g for part in parts for domain in part.values() for g in domain})
    unknown = [group for group in question.groups if group not in valid]
    if unknown:
        raise InputError(
            f"no run has the group {', '.join(unknown)} in its {question.part} "
            f"results; valid: {', '.join(valid)}"
        )


def _reference(
    models: Mapping[str, Mapping[int, Run]], first: str, asked: str | None
) -> str:
    """Return the label of the reference.

    Raises:
        InputError: It does not name one model with one setting.
    """
    if asked is not None and asked in models:
        return asked
    inside = {run.path for run in find_runs([asked or first])}
    named = [
        label
        for label, seeds in models.items()
        if inside & {run.path for run in seeds.values()}
    ]
    if len(named) != 1:
        raise InputError(
            f"'{asked or first}' names {len(named)} of the models and settings given; "
            f"choose the reference: --reference '{(named or list(models))[0]}' (there "
            f"are: {'; '.join(models)})"
        )
    return named[0]
