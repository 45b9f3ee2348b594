"""What ``micrec data audit`` prints and writes."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from micrec_pyg.cli.config import Config
from micrec_pyg.data.audit.finding import Finding
from micrec_pyg.data.audit.report import Audit
from micrec_pyg.grid import aligned

SCHEMA = 1
"""Version of the JSON file."""

LONGEST = 80
"""Letters of an example that are printed."""


@dataclasses.dataclass(frozen=True)
class Audited:
    """What one audit found, and what it could not look at."""

    config: Config
    result: Audit
    waived: Sequence[str]
    skipped: Sequence[str]

    @property
    def failed(self) -> list[Finding]:
        """Return the errors that nobody waived."""
        return [
            f for f in self.result.findings if f.error and f.check not in self.waived
        ]


def text(outcome: Audited) -> str:
    """Return the findings as aligned text, with their examples."""
    result, config = outcome.result, outcome.config
    measured = "unknown, no times" if result.measured is None else result.measured.label
    lines = [
        f"audit of data={config['dataset']} split={config['split_name']} "
        f"seed={config['seed']}",
        f"leak class: {measured} (the protocol permits: {result.claim.label})",
        "",
    ]
    rows = [
        (_level(f, outcome.waived), f.check, f.where, f"{f.count:,}", f.message)
        for f in result.findings
    ]
    rows.insert(0, ("", "check", "where", "count", "what"))
    starts = aligned([row[:4] for row in rows])
    indent = " " * (len(starts[0]) + 2)
    table = zip(starts, rows, (None, *result.findings), strict=True)
    for start, row, finding in table:
        lines.append(f"{start}  {row[4]}".rstrip())
        if finding and finding.examples:
            shown = [_short(example) for example in finding.examples]
            lines.append(f"{indent}e.g. {'; '.join(shown)}")
    if not result.findings:
        lines[-1] = "no finding"
    lines += [f"skipped: {line}" for line in outcome.skipped]
    failed = len(outcome.failed)
    lines += ["", f"failed: {failed} errors" if failed else "passed", ""]
    return "\n".join(lines)


def _short(example: str) -> str:
    """Return an example as long as a line can be read; the JSON file has it whole."""
    if len(example) <= LONGEST:
        return example
    return f"{example[:LONGEST]}… ({len(example)} letters)"


def _level(finding: Finding, waived: Sequence[str]) -> str:
    if not finding.error:
        return "note"
    return "waived" if finding.check in waived else "ERROR"


def content(outcome: Audited) -> dict[str, Any]:
    """Return the content of the JSON file."""
    result, config = outcome.result, outcome.config
    return {
        "schema": SCHEMA,
        "dataset": config["dataset"],
        "split": config["split_name"],
        "seed": config["seed"],
        "leak_class": None if result.measured is None else result.measured.label,
        "permitted_leak_class": result.claim.label,
        "passed": not outcome.failed,
        "waived": list(outcome.waived),
        "skipped": list(outcome.skipped),
        "findings": [
            {
                **dataclasses.asdict(finding),
                "level": _level(finding, outcome.waived).lower(),
            }
            for finding in result.findings
        ],
    }
