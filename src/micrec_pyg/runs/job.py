"""One run, from its description to its folder."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from micrec_pyg.evaluation.evaluate import Report, validate
from micrec_pyg.graph.build import domain_sizes, valid_stage
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import Model
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.experiment import Experiment, cut_off
from micrec_pyg.runs.folder import is_complete, remove_leftovers, run_folder
from micrec_pyg.runs.inputs import Inputs, data_digests, make_inputs, read_data
from micrec_pyg.runs.listener import Listener, Listeners
from micrec_pyg.runs.progress import step
from micrec_pyg.runs.save import metrics_of, write_begin, write_run
from micrec_pyg.runs.sealed import check_run
from micrec_pyg.runs.term import choose_weight
from micrec_pyg.storage.lock import locked
from micrec_pyg.training.fit import fit

logger = logging.getLogger(__name__)


def train(experiment: Experiment, listeners: Sequence[Listener] = ()) -> Path:
    """Return the folder of a finished run; a complete one is not trained again.

    A run that was interrupted goes on where it was. Of two processes with one run the
    second waits for the first.

    Args:
        experiment: What the run is.
        listeners: Told of every epoch.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    catalogues = read_data(experiment)
    digests = data_digests(catalogues)
    folder = run_folder(experiment, digests)
    if _is_there(folder):
        return folder
    with locked(folder):
        if _is_there(folder):  # another process trained it meanwhile
            return folder
        logger.info("run: %s", folder)
        remove_leftovers(folder)
        inputs = make_inputs(experiment, catalogues)
        write_begin(folder, experiment, inputs)
        told = Listeners(listeners)
        told.start(experiment, folder)
        metrics = None
        try:
            metrics = _train(experiment, inputs, folder, told, digests)
        finally:
            told.finish(metrics)
    return folder


def _is_there(folder: Path) -> bool:
    """Return whether a run is complete, and say so."""
    if is_complete(folder):
        check_run(folder)
        remove_leftovers(folder)
        logger.info("%s is complete and not trained again", folder)
        return True
    return False


def make_model(experiment: Experiment, inputs: Inputs) -> Model:
    """Return the untrained model of an experiment, on its device."""
    model = experiment.make_model(
        sizes=domain_sizes(inputs.train), streams=RandomStreams(experiment.seed)
    )
    return model.to(experiment.device)


def _train(
    experiment: Experiment,
    inputs: Inputs,
    folder: Path,
    told: Listener,
    digests: dict[str, str],
) -> dict[str, Any]:
    """Fit, evaluate on the validation pairs, write the run; return its metrics."""
    device = experiment.device
    model = make_model(experiment, inputs)
    valid = valid_stage(
        inputs.train,
        inputs.domains,
        inputs.splits,
        inputs.options,
        answers=model.answers,
    )
    valid = to_device(valid, device)
    judge = partial(
        validate,
        k=cut_off(experiment.fit.metric),
        batch_size=experiment.users_at_once,
    )
    with step("training"):
        result = fit(
            model,
            to_device(inputs.train, device),
            valid,
            options=experiment.fit,
            weights=experiment.weights,
            streams=RandomStreams(experiment.seed, device),
            validate=judge,
            folder=folder,
            on_epoch=told.epoch,
        )
    with step("validation"):
        if experiment.betas:
            metric = experiment.fit.metric
            choose_weight(model, valid, experiment.betas, metric=metric, validate=judge)
        report: Report = experiment.rank(model, valid, groups=False)
    metrics = metrics_of(experiment, result, report, digests)
    write_run(folder, experiment, inputs, model, valid, report, metrics)
    return metrics
