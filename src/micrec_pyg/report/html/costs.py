"""What runs took, which settings they had, and on what they ran."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from micrec_pyg.report.costs import COSTS, cost_text, costs_of
from micrec_pyg.report.html.blocks import (
    Block,
    Cell,
    Code,
    Fold,
    Table,
    plain,
    table_of_texts,
)
from micrec_pyg.report.interval import Interval
from micrec_pyg.runs.read import Run, options_of


def timings(runs: Sequence[Run], labels: Mapping[str, str]) -> Table:
    """Return what training and ranking took, mean and deviation over the runs."""
    by_label: dict[str, list[Run]] = {}
    for run in runs:
        by_label.setdefault(labels[run.path], []).append(run)
    rows = [
        [Cell(label), plain(len(own)), *map(_cost, costs_of(own).items())]
        for label, own in by_label.items()
    ]
    return Table(
        "Time and memory, mean ± sd over the runs of a model",
        ["model", "runs", *(name for name, _ in COSTS.values())],
        rows,
    )


def _cost(found: tuple[str, Interval | None]) -> Cell:
    key, cost = found
    return Cell(cost_text(key, cost), None if cost is None else cost.mean)


def all_runs(runs: Sequence[Run], labels: Mapping[str, str], root: Path) -> Table:
    """Return a row per run."""
    head = ["run", "model", "data set", "split", "seed", "epochs", "best epoch"]
    rows: list[list[object]] = [[*head, "training, s", "device", "test evaluations"]]
    for run in runs:
        record = run.record
        rows.append(
            [
                _relative(run.path, root),
                labels[run.path],
                record["dataset"],
                record["split"],
                record["seed"],
                record.get("epochs"),
                _number_of(record.get("best_epoch")),
                record.get("timing", {}).get("fit_s"),
                record.get("device"),
                record.get("test_evaluations", 0),
            ]
        )
    return table_of_texts("Every run", rows)


def _number_of(epoch: int | None) -> int | None:
    """Return which epoch it was, the first being 1; files count from 0."""
    return None if epoch is None else epoch + 1


def settings(runs: Sequence[Run]) -> list[Block]:
    """Return the settings that all runs share, and those of each model."""
    options = [(run, options_of(run)) for run in runs]
    keys = dict.fromkeys(key for _, own in options for key in own)
    values = {key: {own.get(key) for _, own in options} for key in keys}
    shared = [key for key in keys if len(values[key]) == 1]
    blocks: list[Block] = [
        _fold("Settings of all runs", {key: options[0][1][key] for key in shared})
    ]
    for model in dict.fromkeys(str(run.record["model"]) for run in runs):
        mine = [own for run, own in options if run.record["model"] == model]
        own = {
            key: ", ".join(dict.fromkeys(each[key] for each in mine if key in each))
            for key in keys
            if key not in shared and any(key in each for each in mine)
        }
        blocks.append(_fold(f"Further settings of {model}", own))
    return blocks


def settings_as_written(text: str) -> Fold:
    """Return the content of a ``config.yaml``."""
    return Fold("Every setting (config.yaml)", [Code(text)])


def environment(runs: Sequence[Run]) -> Table:
    """Return versions and devices, each with the number of its runs."""
    counts: dict[tuple[str, str], int] = {}
    for run in runs:
        facts: dict[str, Any] = {
            "device": run.record.get("device"),
            **run.record.get("versions", {}),
        }
        for name, value in facts.items():
            if value is not None:
                key = (name, str(value))
                counts[key] = counts.get(key, 0) + 1
    rows = [[Cell(name), Cell(value), plain(n)] for (name, value), n in counts.items()]
    return Table("What the runs ran on", ["what", "version", "runs"], rows)


def _fold(title: str, values: Mapping[str, str]) -> Fold:
    rows = [[Cell(key), Cell(value)] for key, value in values.items()]
    return Fold(f"{title} ({len(rows)})", [Table(title, ["setting", "value"], rows)])


def _relative(path: str, root: Path) -> str:
    try:
        return str(Path(path).relative_to(root)) if Path(path) != root else path
    except ValueError:
        return path
