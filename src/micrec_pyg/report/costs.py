"""What runs took: time and memory, mean and deviation over the runs of a model."""

from collections.abc import Mapping, Sequence
from typing import Any

from micrec_pyg import grid
from micrec_pyg.report.interval import Interval, interval
from micrec_pyg.report.model_grid import ABSENT
from micrec_pyg.runs.read import Run

TIMES = {
    "fit_s": ("training, s", 1),
    "train_epoch_s": ("epoch, s", 3),
    "evaluate_users_per_s": ("users ranked per s", 0),
}
"""Keys of a run's timing: the name, and the digits."""

COUNTS = {"epochs": ("epochs", 0), "peak_memory_mb": ("peak memory, MB", 0)}
"""Keys of a run: the name, and the digits."""

COSTS = {**TIMES, **COUNTS}


def costs_of(runs: Sequence[Run]) -> dict[str, Interval | None]:
    """Return each of ``COSTS`` over runs; None where no run has it."""
    found: dict[str, Interval | None] = {}
    for key in COSTS:
        records = [_record(run, key) for run in runs]
        values = [each[key] for each in records if each.get(key) is not None]
        found[key] = interval(values) if values else None
    return found


def _record(run: Run, key: str) -> Mapping[str, Any]:
    record = run.record
    return record.get("timing", {}) if key in TIMES else record


def costs_table(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return the costs of the runs of each label as a Markdown table."""
    head = ["model", "runs", *(name for name, _ in COSTS.values())]
    rows = []
    for label, own in runs.items():
        cells = [cost_text(key, cost) for key, cost in costs_of(own).items()]
        rows.append([label, str(len(own)), *cells])
    return "\n".join(grid.markdown([head, *rows], right=range(1, len(head))))


def cost_text(key: str, cost: Interval | None) -> str:
    """Return one of ``COSTS`` as a table shows it."""
    if cost is None:
        return ABSENT
    digits = COSTS[key][1]
    text = f"{cost.mean:.{digits}f}"
    return text if cost.sd is None else f"{text} ± {cost.sd:.{digits}f}"
