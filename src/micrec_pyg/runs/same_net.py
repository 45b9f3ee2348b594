"""The trained net of a finished run, for a run that differs in its term alone."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from micrec_pyg.models.base import Model, prepare
from micrec_pyg.models.fused import Fused
from micrec_pyg.runs.code import KEY, changed_code
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.folder import is_complete, run_folder
from micrec_pyg.runs.identity import model_name
from micrec_pyg.runs.results import versions
from micrec_pyg.runs.save import MODEL, changed_data
from micrec_pyg.runs.sealed import METRICS, check_run
from micrec_pyg.runs.term import NONE
from micrec_pyg.schema import DamagedFileError, TrainStage
from micrec_pyg.storage import writing
from micrec_pyg.storage.tensors import read_tensors
from micrec_pyg.training.fit import FitResult
from micrec_pyg.training.state import HISTORY

logger = logging.getLogger(__name__)


def run_of_net(
    experiment: Experiment, data: Mapping[str, str], encoded: Mapping[str, str]
) -> Path | None:
    """Return the folder of the same run without its term, if it is finished.

    A term changes nothing in training, so the net of that run has the bits that
    training would give here: on one device, with the same versions, code and encoders.

    Args:
        experiment: What the run is; one without a term has no such folder.
        data: Digest of each domain's catalogue as read.
        encoded: Digest of each domain's inputs and encoders.
    """
    if not experiment.betas:
        return None
    settings = {**experiment.settings, "term": dict(NONE)}
    apart = replace(experiment, model=model_name(settings), settings=settings)
    folder = run_folder(apart, data)
    if not is_complete(folder):
        return None
    try:
        check_run(folder)
        record = read_json(folder / METRICS)
    except DamagedFileError as error:
        logger.warning("%s; the net is trained again for this run", error)
        return None
    if not (folder / HISTORY).exists():  # no epoch: the start values are quickly drawn
        return None
    if changed := _changed(folder, settings, record, encoded):
        logger.warning(
            "%s has changed since %s was trained; the net is trained again for this "
            "run",
            changed,
            folder,
        )
        return None
    here = (experiment.device, versions())
    return folder if (record["device"], record.get("versions")) == here else None


def _changed(
    folder: Path,
    settings: Mapping[str, Any],
    record: Mapping[str, Any],
    encoded: Mapping[str, str],
) -> str:
    """Return in words what is not as when a run was trained; nothing if all is."""
    if code := changed_code(settings, record.get(KEY, {})):
        return f"the code of {', '.join(code)}"
    # the catalogues are those of then: the id of the run has their digests
    if domains := changed_data(folder, encoded):
        return f"what encodes {', '.join(domains)}"
    return ""


def take_over(
    model: Model,
    train: TrainStage,
    found: Path,
    *,
    folder: Path | None,
    on_epoch: Callable[[dict[str, Any]], None],
) -> FitResult:
    """Give a model with a term the net of a finished run; return what was found there.

    Args:
        model: A ``Fused``, changed in place: its term is prepared, its net loaded.
        train: Graphs of training, on the device of the model.
        found: The folder of that run.
        folder: Gets the history of its epochs.
        on_epoch: Gets every row of it.
    """
    assert isinstance(model, Fused)
    logger.info("the net is that of %s, and is not trained again", found)
    device = model.beta.device
    prepare(model, train)
    tensors, _ = read_tensors(found / MODEL)
    model.net.load_state({name: value.to(device) for name, value in tensors.items()})
    text = (found / HISTORY).read_text(encoding="utf-8")
    if folder is not None:
        writing.write_text(folder / HISTORY, text)
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        on_epoch(row)
    record = read_json(found / METRICS)
    return FitResult(
        best_epoch=record["best_epoch"],
        val=rows[record["best_epoch"]]["val"],
        epochs=record["epochs"],
        fit_s=record["timing"]["fit_s"],
        train_epoch_s=record["timing"]["train_epoch_s"],
    )
