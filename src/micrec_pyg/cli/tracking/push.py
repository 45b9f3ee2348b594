"""A finished run folder -> its wandb run, whole, whenever that is wanted."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.cli.tracking import artifacts
from micrec_pyg.cli.tracking.session import (
    begin,
    log_epoch,
    mark_of,
    tolerant,
    waiting_files,
    write_mark,
)
from micrec_pyg.cli.tracking.values import epoch_values, learning_rate, summary_values
from micrec_pyg.runs.averages import AVERAGE, averages
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import InputError
from micrec_pyg.training.state import HISTORY

logger = logging.getLogger(__name__)


def add_results(folder: Path) -> None:
    """Add the test results of a run to its wandb run, if it has one; never fail.

    What a later log of a run says replaces what an earlier one said, so this one has
    everything but the files that cannot have changed.

    Args:
        folder: Of a run that was just evaluated.
    """
    with tolerant():
        mark = mark_of(folder)
        if mark is None:
            return
        run = read_run(folder)
        if run.record.get("test_evaluations", 0) > mark["tested"]:
            _send(run, mark["options"], with_model=False)


def push(folder: Path, options: Mapping[str, Any]) -> None:
    """Send all that a finished run folder holds to its wandb run.

    Args:
        folder: Of the run.
        options: The setting ``logger``.

    Raises:
        InputError: The folder holds no finished run.
    """
    _send(read_run(folder), options, with_model=options.get("artifacts", True))


def tables(test: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the test results as wandb's tables, of all groups and of all domains.

    Args:
        test: By domain, group and metric.
    """
    shown = {**test, AVERAGE: averages(test)} if len(test) > 1 else dict(test)
    rows = [
        {"domain": domain, "group": group, **values}
        for domain, groups in shown.items()
        for group, values in groups.items()
    ]
    return {
        "test/groups": _table(rows),
        "test/domains": _table([row for row in rows if row["group"] == "all"]),
    }


def _examples(folder: Path) -> dict[str, Any]:
    """Return a table of what some people have and get; none if nothing answers."""
    from micrec_pyg.inference.examples import examples_of

    try:
        rows = examples_of(folder).drop("picture").to_dicts()
    except InputError as error:
        logger.warning("wandb gets no examples of lists: %s", error)
        return {}
    return {"test/examples": _table(rows)} if rows else {}


def _table(rows: list[dict[str, Any]]) -> Any:
    import wandb

    columns: list[Any] = list(dict.fromkeys(name for row in rows for name in row))
    return wandb.Table(
        columns=columns, data=[[row.get(name) for name in columns] for row in rows]
    )


def _send(run: Run, options: Mapping[str, Any], *, with_model: bool) -> None:
    folder = Path(run.path)
    # a run of no epoch has none
    text = (folder / HISTORY).read_text("utf-8") if run.has_history else ""
    rate = learning_rate(run.config)
    # earlier versions wrote no digests
    open_run = begin(folder, run.config, options, run.record.get("data", {}))
    code = 1
    try:
        for line in text.splitlines():
            log_epoch(open_run, epoch_values(json.loads(line), rate))
        open_run.summary.update(summary_values(run.record))
        if with_model:
            artifacts.log_inputs_and_model(open_run, folder, run.config, run.record)
        if run.record.get("test"):
            _send_test(open_run, run, options)
        code = 0
    finally:
        open_run.finish(exit_code=code)
    write_mark(folder, tested=run.record.get("test_evaluations", 0))


def _send_test(open_run: Any, run: Run, options: Mapping[str, Any]) -> None:
    folder = Path(run.path)
    with waiting_files(folder):
        logged = {**tables(run.record["test"]), **artifacts.figures(folder)}
        open_run.log({**logged, **_examples(folder)})
    if options.get("artifacts", True):
        artifacts.log_results(open_run, folder)
