"""Negative transfer: a joint run minus runs on each of its domains alone.

What is compared must differ in the further domains only: same data and split of the
domain and same model. Other settings that differ are named in the log.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from micrec_pyg.evaluation.significance import TestOptions
from micrec_pyg.report.compare import (
    Cell,
    Question,
    by_label,
    cells,
    check_groups,
    corrected,
    matched,
)
from micrec_pyg.report.pairs import USER_FLAGS, Seeds
from micrec_pyg.report.same_task import digests_of
from micrec_pyg.runs.read import Run, find_runs, options_of
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

GROUPS = ("all", *USER_FLAGS)
"""The groups in which transfer shows, the default."""


def measure_transfer(
    joint: Sequence[str],
    single: Sequence[str],
    question: Question,
    options: TestOptions,
) -> list[Cell]:
    """Return joint minus single-domain, per joint model, domain, group and metric.

    The groups of overlapping and single-domain users are those of the joint run. A
    domain without a single-domain run is left out, and the log says so.

    Args:
        joint: Folders of runs on several domains, or folders that hold some.
        single: Likewise, of runs on one domain each.
        question: What is compared.
        options: Of test and interval.

    Raises:
        InputError: Runs are missing or cannot be compared.
    """
    models = by_label(_several(find_runs(joint)))
    alone = _by_domain(find_runs(single))
    stored = [group for group in question.groups if group not in USER_FLAGS]
    check_groups(list(models.values()), replace(question, groups=stored))
    table = []
    for label, seeds in models.items():
        for domain in _domains(label, seeds, alone):
            name, base = _counterpart(label, seeds, domain, alone[domain])
            common = matched(base, seeds, [domain], question)
            for group in question.groups:
                table += cells(
                    {f"{name} on {domain} alone": base},
                    {label: seeds},
                    domain=domain,
                    group=group,
                    seeds=common,
                    question=question,
                    options=options,
                    overlap_of_other=True,
                )
    return corrected(table)


def _several(runs: Sequence[Run]) -> Sequence[Run]:
    """Return the runs; refuse one that is not joint."""
    for run in runs:
        if len(digests_of(run)) < 2:
            raise InputError(
                f"{run.path} is on one domain; --transfer takes joint runs, the others "
                "follow --single"
            )
    return runs


def _by_domain(runs: Sequence[Run]) -> dict[str, dict[str, dict[int, Run]]]:
    """Return single-domain runs by domain, label and seed."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        domains = sorted(digests_of(run))
        if len(domains) > 1:
            raise InputError(
                f"{run.path} is on {', '.join(domains)}; --single takes runs on one "
                f"domain each, such as data.only=[{domains[0]}]"
            )
        found.setdefault(domains[0], []).append(run)
    return {domain: by_label(found[domain]) for domain in sorted(found)}


def _domains(label: str, seeds: Seeds, alone: Mapping[str, object]) -> list[str]:
    """Return the domains of a joint model that were also trained alone."""
    domains = sorted(digests_of(next(iter(seeds.values()))))
    found = [domain for domain in domains if domain in alone]
    if not found:
        raise InputError(
            f"'{label}' is on the domains {', '.join(domains)}, the single-domain runs "
            f"are on {', '.join(alone)}; train each of its domains alone, such as "
            f"data.only=[{domains[0]}]"
        )
    if len(found) < len(domains):
        logger.warning(
            "'%s': no single-domain run on %s, left out",
            label,
            ", ".join(domain for domain in domains if domain not in alone),
        )
    return found


def _counterpart(
    label: str, seeds: Seeds, domain: str, alone: Mapping[str, Seeds]
) -> tuple[str, Seeds]:
    """Return label and runs of the joint model's own setting, trained on one domain.

    Raises:
        InputError: There is none of this model, or it is not clear which.
    """
    run = next(iter(seeds.values()))
    same = {
        name: _differences(run, next(iter(own.values())))
        for name, own in alone.items()
        if next(iter(own.values())).record["model"] == run.record["model"]
    }
    exact = [name for name, differences in same.items() if not differences]
    chosen = exact or list(same)
    if len(chosen) != 1:
        raise InputError(
            f"'{label}' needs one single-domain counterpart on {domain}, of the same "
            f"model and settings; given are: {'; '.join(alone)}"
        )
    if same[chosen[0]]:
        logger.warning(
            "'%s' and '%s' on %s alone also differ in %s: their difference is not "
            "one of transfer only",
            label,
            chosen[0],
            domain,
            ", ".join(same[chosen[0]]),
        )
    return chosen[0], alone[chosen[0]]


def _differences(joint: Run, single: Run) -> list[str]:
    """Return the settings that differ, those of the data left out."""
    mine, theirs = options_of(joint), options_of(single)
    return sorted(
        key
        for key in {*mine, *theirs}
        if mine.get(key) != theirs.get(key)
        and key != "dataset"
        and not key.startswith("data.")
    )
