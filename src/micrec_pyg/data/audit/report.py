"""An audit of a split: what leaks, what is broken, and the protocol's leak class."""

from collections.abc import Mapping
from dataclasses import dataclass

from micrec_pyg.data.audit.edges import check_edges, check_seen
from micrec_pyg.data.audit.finding import CHECKS, Finding
from micrec_pyg.data.audit.ids import check_domains, check_id_columns, check_spelling
from micrec_pyg.data.audit.time import check_clock, check_future, inferred_claim
from micrec_pyg.data.splits.edge_table import edge_table
from micrec_pyg.data.splits.leak import LeakClass, measured_class
from micrec_pyg.schema import DomainCatalogue, EdgeSplit, InputError


@dataclass(frozen=True)
class Audit:
    """The result: findings, errors first, and the leak class."""

    findings: tuple[Finding, ...]
    claim: LeakClass
    """The worst class that the protocol permits itself."""
    measured: LeakClass | None
    """What the data shows; None where it has no times."""


def audit(
    catalogues: Mapping[str, DomainCatalogue],
    splits: Mapping[str, EdgeSplit],
    *,
    promised: LeakClass | None,
    claim: str | None,
) -> Audit:
    """Return what is wrong with a split of these catalogues, or worth knowing.

    Args:
        catalogues: By domain.
        splits: By domain.
        promised: What the protocol promises, as ``leak.claim_of`` returns it.
        claim: Name of the leak class to hold the split to; None takes what is
            promised, and for a split of unknown origin what it seems to promise.

    Raises:
        InputError: There is no such leak class.
    """
    table = edge_table(catalogues, splits)
    if claim is not None:
        promised = _class_of(claim)
    if promised is None:
        promised = inferred_claim(table)
    found = [
        *check_edges(catalogues, splits, table),
        *check_seen(catalogues, splits, ordered=promised < LeakClass.USER_FUTURE),
        *check_future(table, promised),
        *check_clock(
            table, promised, {name: c.clock for name, c in catalogues.items()}
        ),
        *check_id_columns(table),
        *check_domains(catalogues, splits, table),
        *check_spelling(catalogues, table),
    ]
    measured = measured_class(table)
    if any(finding.check == "overlap" for finding in found):
        measured = LeakClass.OVERLAP
    return Audit(in_order(found), promised, measured)


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings with errors first, then in the order of ``CHECKS``."""
    place = {name: number for number, name in enumerate(CHECKS)}
    return tuple(sorted(findings, key=lambda f: (not f.error, place[f.check], f.where)))


def _class_of(name: str) -> LeakClass:
    valid = {each.label: each for each in LeakClass}
    if name not in valid:
        raise InputError(f"claim={name}: give one of {', '.join(valid)}")
    return valid[name]
