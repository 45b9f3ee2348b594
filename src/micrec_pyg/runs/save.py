"""What a run writes into its folder."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.splits.saved import IN_RUN, check_split, save_split
from micrec_pyg.evaluation.evaluate import Report, summary
from micrec_pyg.models.base import Model
from micrec_pyg.runs import files
from micrec_pyg.runs.artefact import ARTEFACT, WEIGHTS, artefact_files, write_artefact
from micrec_pyg.runs.code import KEY, differing
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.runs.results import peak_memory, per_user, run_card, versions
from micrec_pyg.runs.sealed import METRICS, remedy_of_run, seal_run
from micrec_pyg.schema import InputError, TestStage, ValidStage
from micrec_pyg.storage import writing
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.seals import changing
from micrec_pyg.storage.tensors import write_tensors
from micrec_pyg.training.fit import FitResult
from micrec_pyg.training.state import CHECKPOINT

logger = logging.getLogger(__name__)

PER_USER = "per_user.parquet"
MODEL = f"{ARTEFACT}/{WEIGHTS}"
"""The model of the best epoch."""
BEGUN = "begun.json"
"""Of an unfinished run: the digests of its code and encoders."""


def metrics_of(
    experiment: Experiment,
    result: FitResult,
    report: Report,
    data: Mapping[str, str],
    begun: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of ``metrics.json`` before any test.

    Args:
        experiment: What the run is.
        result: Of training.
        report: Of the validation.
        data: Digest of each domain's catalogue as read.
        begun: Digests of its code and encoders, from when the command began.
    """
    return {
        "schema": files.SCHEMA,
        "dataset": experiment.dataset,
        "model": experiment.model,
        "seed": experiment.seed,
        "split": experiment.split,
        "data": dict(data),
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "val": summary(report),
        "timing": {
            "fit_s": result.fit_s,
            "train_epoch_s": result.train_epoch_s,
            "evaluate_users_per_s": report.users_per_s,
        },
        **peak_memory(experiment.device),
        "device": experiment.device,
        "test_evaluations": 0,
        "versions": versions(),
        **begun,
    }


def write_begin(
    folder: Path, experiment: Experiment, inputs: Inputs, begun: Mapping[str, Any]
) -> None:
    """Write what is known before training: settings, split, digests, data card.

    A checkpoint of other code is dropped: half of a run by each would be of neither.

    Args:
        folder: Of the run.
        experiment: What the run is.
        inputs: What it works on.
        begun: Digests of its code and encoders, from when the command began.

    Raises:
        InputError: The run began with other data or another split.
    """
    writing.write_yaml(folder / "config.yaml", experiment.settings)
    digests, split = folder / "artefact" / "digests.json", folder / IN_RUN
    if digests.is_file():
        check_data(folder, inputs)
    elif not split.is_dir():
        save_split(inputs.splits, inputs.domains, split, protocol=experiment.split)
    check_split(inputs.splits, inputs.domains, split)
    writing.write_json(digests, inputs.digests)
    _drop_of_other_code(folder, begun[KEY])
    writing.write_json(folder / BEGUN, begun)
    for path in (folder / "data_card.md", folder / ARTEFACT / "data_card.md"):
        writing.write_text(path, inputs.data_card)


def _drop_of_other_code(folder: Path, code: Mapping[str, str]) -> None:
    """Drop the checkpoint of a run that was begun with other code, with a warning."""
    checkpoint, begun = folder / CHECKPOINT, folder / BEGUN
    # an earlier version wrote down no code: such a run goes on
    if not checkpoint.exists() or not begun.exists():
        return
    try:
        before = files.read_json(begun).get(KEY)
    except InputError:
        before = None
    if not isinstance(before, dict):
        reason = f"{begun} is damaged"
    elif changed := differing(code, before):
        reason = f"the code of {', '.join(changed)} has changed since {folder} began"
    else:
        return
    logger.warning("%s; its checkpoint is dropped, and training starts anew", reason)
    checkpoint.unlink()


def write_run(
    folder: Path,
    experiment: Experiment,
    inputs: Inputs,
    model: Model,
    valid: ValidStage,
    report: Report,
    metrics: dict[str, Any],
) -> None:
    """Write every file of a run, ``metrics.json`` last: then the run is complete."""
    write_tensors(
        folder / MODEL,
        {name: value.cpu() for name, value in model.state_dict().items()},
        {"model": metrics["model"], "best_epoch": metrics["best_epoch"]},
    )
    write_artefact(folder / ARTEFACT, experiment, inputs, valid.graphs, tested=False)
    writing.write_parquet(
        folder / PER_USER, per_user(report, valid, inputs, part="val")
    )
    _write_card(folder, metrics, experiment, inputs)
    seal_run(folder)
    with changing(folder, [METRICS]):
        writing.write_json(folder / METRICS, metrics)
    for name in (CHECKPOINT, BEGUN):  # their use was to continue an unfinished run
        (folder / name).unlink(missing_ok=True)


def write_metrics(
    folder: Path, metrics: dict[str, Any], experiment: Experiment, inputs: Inputs
) -> None:
    """Write ``metrics.json`` of a complete run, and the card that shows the same."""
    _write_card(folder, metrics, experiment, inputs)
    with changing(folder, [METRICS]):
        writing.write_json(folder / METRICS, metrics)


def _write_card(
    folder: Path, metrics: dict[str, Any], experiment: Experiment, inputs: Inputs
) -> None:
    """Write the card of a run, and with the artefact as the card of its model."""
    card = run_card(metrics, experiment, inputs)
    for path in (folder / "run_card.md", folder / ARTEFACT / "model_card.md"):
        writing.write_text(path, card)


def write_test(folder: Path, test: pl.DataFrame) -> None:
    """Replace the test rows of ``per_user.parquet``, keep the others."""
    path = folder / PER_USER
    with remedy_of_run(folder):
        before = read_parquet(path).filter(pl.col("part") != "test")
    with changing(folder, [PER_USER]):
        writing.write_parquet(path, pl.concat([before, test], how="diagonal"))


def write_known(
    folder: Path, experiment: Experiment, inputs: Inputs, sealed: TestStage
) -> None:
    """Let the artefact of a tested run know the edges that the test has known.

    Args:
        folder: Of the run; one of an earlier version gets the whole artefact.
        experiment: What the run is.
        inputs: What it worked on.
        sealed: The stage of the test.
    """
    artefact = folder / ARTEFACT
    changed = [f"{ARTEFACT}/{name}" for name in artefact_files(inputs)]
    with changing(folder, changed):
        write_artefact(artefact, experiment, inputs, sealed.graphs, tested=True)


def check_data(folder: Path, inputs: Inputs) -> None:
    """Refuse to go on with other data than a run began with.

    Raises:
        InputError: The message names the domains.
    """
    if changed := changed_data(folder, inputs.digests):
        raise InputError(
            f"the data of {', '.join(changed)}, or what encodes it, is not what "
            f"{folder} was trained on (an earlier version also counted the device and "
            "batch_size of encoders, and the facts of data.only alone); restore the "
            "files and settings, or delete that folder and train again"
        )


def changed_data(folder: Path, now: Mapping[str, str]) -> list[str]:
    """Return the domains that are not what a run was trained on.

    Args:
        folder: Of the run.
        now: Digest of each domain's inputs and encoders.
    """
    before = files.read_json(folder / "artefact" / "digests.json")
    return [n for n in sorted({*before, *now}) if before.get(n) != now.get(n)]
