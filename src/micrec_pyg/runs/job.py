"""One run, from its description to its folder."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from micrec_pyg.evaluation.evaluate import Report
from micrec_pyg.evaluation.validate import validate, validate_weights
from micrec_pyg.graph.build import domain_sizes, valid_stage
from micrec_pyg.graph.to_device import pairs_to_device, to_device
from micrec_pyg.models.base import Model, check_contract
from micrec_pyg.models.fused import Fused
from micrec_pyg.process_group import first_before_others, from_first, is_first
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.run_warnings import working_on
from micrec_pyg.runs.code import KEY, changed_code, code_of
from micrec_pyg.runs.encoders import ENCODERS, changed_encoders, encoders_of
from micrec_pyg.runs.experiment import Experiment, cut_off
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.folder import is_complete, remove_leftovers, run_folder
from micrec_pyg.runs.inputs import Inputs, data_digests, make_inputs, read_data
from micrec_pyg.runs.listener import Listener, Listeners
from micrec_pyg.runs.memory import check_parameters
from micrec_pyg.runs.progress import step
from micrec_pyg.runs.same_net import run_of_net, take_over
from micrec_pyg.runs.save import metrics_of, write_begin, write_run
from micrec_pyg.runs.sealed import METRICS, check_run
from micrec_pyg.runs.term import choose_weight
from micrec_pyg.schema import ValidStage
from micrec_pyg.storage.lock import locked
from micrec_pyg.training.fit import FitResult, fit

logger = logging.getLogger(__name__)


def train(experiment: Experiment, listeners: Sequence[Listener] = ()) -> Path:
    """Return the folder of a finished run; a complete one is not trained again.

    A run that was interrupted goes on where it was. Of two commands with one run the
    second waits for the first. Of the processes of one command (``process_group``) the
    first one alone writes and tells.

    Args:
        experiment: What the run is.
        listeners: Told of every epoch.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    # now, as it may change in hours of encoding
    code = code_of(experiment.settings)
    catalogues = first_before_others(lambda: read_data(experiment))
    digests = data_digests(catalogues, experiment.settings.get("features", {}))
    folder = run_folder(experiment, digests)
    if from_first(lambda: _is_there(folder, experiment)):
        return folder
    with locked_by_first(folder), working_on(experiment.model, folder):
        # by another command meanwhile
        if from_first(lambda: _is_there(folder, experiment)):
            return folder
        logger.info("run: %s", folder)
        if is_first():
            remove_leftovers(folder)
        inputs = first_before_others(lambda: make_inputs(experiment, catalogues))
        begun = {KEY: code, ENCODERS: encoders_of(experiment)}
        if is_first():
            write_begin(folder, experiment, inputs, begun)
        told = Listeners(listeners if is_first() else ())
        told.start(experiment, folder, digests)
        metrics = None
        try:
            metrics = _train(experiment, inputs, folder, told, digests, begun)
        finally:
            told.finish(metrics)
    return folder


@contextmanager
def locked_by_first(folder: Path) -> Iterator[None]:
    """Keep other commands out of a folder; the lock is the first process's."""
    if not is_first():
        yield
        return
    with locked(folder):
        yield


def _is_there(folder: Path, experiment: Experiment) -> bool:
    """Return whether a run is complete, and say so."""
    if is_complete(folder):
        check_run(folder)
        remove_leftovers(folder)
        logger.info("%s is complete and not trained again", folder)
        record = read_json(folder / METRICS)
        if changed := changed_code(experiment.settings, record.get(KEY, {})):
            logger.warning(
                "the code of %s has changed since it was trained: what it found may "
                "not be what the code gives now; delete the folder to train again",
                ", ".join(changed),
            )
        if changed := changed_encoders(experiment, record.get(ENCODERS, {})):
            logger.warning(
                "the encoder of %s has changed since it was trained: its results are "
                "of the vectors of then; delete the folder to train again, or restore "
                "the encoder",
                ", ".join(changed),
            )
        return True
    return False


def make_model(experiment: Experiment, inputs: Inputs) -> Model:
    """Return the untrained model of an experiment, on its device."""
    sizes = domain_sizes(inputs.train)
    check_parameters(experiment, sizes)
    with _seeded(experiment):
        streams = RandomStreams(experiment.seed)
        model = experiment.make_model(sizes=sizes, streams=streams)
    check_contract(model)
    return model.to(experiment.device)


@contextmanager
def _seeded(experiment: Experiment) -> Iterator[None]:
    """Let what draws from PyTorch's own generators follow the seed.

    Models of this project draw from streams; others may have layers that do not. What
    a notebook draws afterwards is what it would have drawn.
    """
    device = torch.device(experiment.device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(experiment.seed)
        yield


def trained_model(
    experiment: Experiment,
    inputs: Inputs,
    *,
    folder: Path | None,
    on_epoch: Callable[[dict[str, Any]], None],
    same_net: Path | None = None,
) -> tuple[Model, ValidStage, FitResult]:
    """Return a model in the state of its best epoch, and what selected it.

    Args:
        experiment: What the model is and how it is trained.
        inputs: What it is trained on.
        folder: Of the checkpoint; None keeps none.
        on_epoch: Gets a row of the history after every epoch.
        same_net: A finished run whose net this is (``run_of_net``): it is taken over.
    """
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
    # parts of a graph are taken on the host, and they alone go to the device
    move = pairs_to_device if experiment.fit.neighbors_per_hop else to_device
    of_lists: dict[str, Any] = {
        "k": cut_off(experiment.fit.metric),
        "batch_size": experiment.block_size,
    }
    stage = move(inputs.train, device)
    if same_net is not None:
        result = take_over(model, stage, same_net, folder=folder, on_epoch=on_epoch)
    else:
        with _seeded(experiment), step("training"):
            result = fit(
                model,
                stage,
                valid,
                options=experiment.fit,
                weights=experiment.weights,
                streams=RandomStreams(experiment.seed, device),
                validate=partial(validate, **of_lists),
                folder=folder,
                on_epoch=on_epoch,
            )
    if isinstance(model, Fused):
        with step("weight of the term"):
            metric = experiment.fit.metric
            each = partial(validate_weights, parts=model.parts, **of_lists)
            choose_weight(model, valid, experiment.betas, metric=metric, validate=each)
    return model, valid, result


def _train(
    experiment: Experiment,
    inputs: Inputs,
    folder: Path,
    told: Listener,
    digests: dict[str, str],
    begun: dict[str, dict[str, str]],
) -> dict[str, Any]:
    """Fit, evaluate on the validation pairs, write the run; return its metrics."""
    same_net = from_first(lambda: run_of_net(experiment, digests, inputs.digests))
    model, valid, result = trained_model(
        experiment, inputs, folder=folder, on_epoch=told.epoch, same_net=same_net
    )
    with step("validation"):
        ks = experiment.ks_with_selection
        report: Report = experiment.rank(
            model, valid, train=inputs.train, groups=False, ks=ks
        )
    metrics = metrics_of(experiment, result, report, digests, begun)
    if is_first():
        write_run(folder, experiment, inputs, model, valid, report, metrics)
    return metrics
