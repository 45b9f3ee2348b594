"""The training loop, to be read from top to bottom."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from micrec_pyg.models.base import Model, check_weights, parts_of, prepare
from micrec_pyg.process_group import sum_up
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import InputError, TrainStage, ValidStage
from micrec_pyg.training.neighborhoods import Neighborhoods, check_can_sample
from micrec_pyg.training.optimizer import set_rate
from micrec_pyg.training.options import FitOptions
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.state import RunState
from micrec_pyg.training.step import Step, record

Metrics = dict[str, dict[str, float]]
"""{domain: {metric: value}}."""


@dataclass(frozen=True)
class FitResult:
    """What training found; the model itself holds the best epoch's state."""

    best_epoch: int
    """Counted from 0."""
    val: Metrics
    """Validation of the best epoch."""
    epochs: int
    """Epochs that ran."""
    fit_s: float
    """Seconds, preparation and validation included."""
    train_epoch_s: float
    """Mean seconds of an epoch's steps alone."""


def fit(
    model: Model,
    train: TrainStage,
    valid: ValidStage,
    *,
    options: FitOptions,
    weights: Mapping[str, float],
    streams: RandomStreams,
    validate: Callable[[Model, ValidStage], Metrics],
    folder: Path | None,
    on_epoch: Callable[[dict[str, Any]], None],
) -> FitResult:
    """Train a model and leave it in the state of its best epoch.

    Args:
        model: Changed in place.
        train: Graphs and positives.
        valid: Ranked after every ``eval_every``-th epoch, to select.
        options: Length, batch size, optimiser and its learning rate.
        weights: Of the losses, by name; losses of weight 0 are not computed.
        streams: Draw samples and masks.
        validate: Returns {domain: {metric: value}}.
        folder: Holds checkpoint and history; a run found there goes on, with the
            same bits on a CPU, on CUDA up to rounding. None keeps nothing.
        on_epoch: Gets every history row as it is made.

    Raises:
        InputError: A weight names a loss that the model does not have.
        FloatingPointError: A loss is not finite.
        TypeError: ``valid`` is not a ValidStage: the test set is sealed.
    """
    if not isinstance(valid, ValidStage):
        raise TypeError(f"selection takes a ValidStage, not a {type(valid).__name__}")
    terms = _terms(model, weights)
    optimizer = _optimizer(model, options)
    run = _begin(model, optimizer, train, streams, folder)
    step = None
    if optimizer is not None:
        step = _step(model, train, terms, optimizer, options, streams)
    saved = time.perf_counter()
    while not _done(run, options):
        begin, epoch = time.perf_counter(), run.epoch
        model.begin_epoch(epoch)
        loss = {} if step is None else _epoch(step, epoch, options.schedule(epoch))
        trained = time.perf_counter()
        row = {"epoch": epoch, "loss": loss, "val": None, "seconds": trained - begin}
        # the last epoch is judged whatever the interval, or nothing might be
        if (epoch + 1) % options.eval_every == 0 or epoch + 1 == options.max_epochs:
            row["val"] = validate(model, valid)
            _keep_best(run, row, options.metric)
        run.history.append(row)
        run.fit_s += time.perf_counter() - begin
        on_epoch(row)
        over = time.perf_counter() - saved >= options.checkpoint_every_s
        if folder is not None and (over or _done(run, options)):
            run.save(folder)
            saved = time.perf_counter()
    device = streams.device
    model.load_state({name: value.to(device) for name, value in run.best.items()})
    return _result(run, valid, validate)


def _optimizer(model: Model, options: FitOptions) -> torch.optim.Optimizer | None:
    """Return the optimiser; None where there is nothing to train."""
    first = next(model.parameters(), None)
    if first is None:
        return None
    recorded = bool(options.cuda_graph) and first.is_cuda
    lr: float | Tensor = options.lr
    if recorded and options.lr_changes:  # a recorded number would stay as it is
        lr = torch.tensor(lr, device=first.device)
    return options.optimizer(model.named_parameters(), lr=lr, recorded=recorded)


def _begin(
    model: Model,
    optimizer: torch.optim.Optimizer | None,
    train: TrainStage,
    streams: RandomStreams,
    folder: Path | None,
) -> RunState:
    """Return the state to go on from: that of the folder, or a prepared model's."""
    run = RunState(model, optimizer, streams, best={})
    if folder is not None and run.load(folder):
        return run
    begin = time.perf_counter()
    with torch.no_grad():
        prepare(model, train)
    run.best, run.fit_s = _copy(model), time.perf_counter() - begin
    return run


def _step(
    model: Model,
    train: TrainStage,
    terms: Mapping[str, float],
    optimizer: torch.optim.Optimizer,
    options: FitOptions,
    streams: RandomStreams,
) -> Step:
    """Return what every epoch repeats."""
    parts_by_name = parts_of(model)
    parts = {parts_by_name[name] for name in terms}
    sampler = Sampler(
        train,
        batch_size=options.batch_size,
        parts=parts,
        streams=streams,
        num_negatives=model.num_negatives,
        loss=model.loss,
    )
    around = None
    if options.neighbors_per_hop is not None:
        check_can_sample(model)
        around = Neighborhoods(
            train.graphs, per_hop=options.neighbors_per_hop, streams=streams
        )
    step = Step(model, train, sampler, terms, optimizer, streams, around)
    if around is None:
        record(step, options.cuda_graph)
    return step


def _epoch(step: Step, epoch: int, rate: float) -> dict[str, float]:
    """Return the mean of every loss, unweighted, over the steps of an epoch.

    Args:
        step: Taken as often as the sampler says.
        epoch: Counted from 0, for the message of an error.
        rate: Factor of the learning rate.
    """
    set_rate(step.optimizer, rate)
    for total in step.sums.values():
        total.zero_()
    count = step.sampler.num_steps
    for _ in range(count):
        step()
    sum_up(step.sums.values())
    means = {name: float(total) / count for name, total in step.sums.items()}
    broken = [name for name, value in means.items() if not abs(value) < float("inf")]
    if broken:
        raise FloatingPointError(
            f"epoch {epoch}: loss {', '.join(broken)} is not a finite number; lower "
            "fit.lr, or the weight of that loss; if it is so with the start values, "
            "the loss divides by 0 or takes the logarithm of 0"
        )
    return means


def _keep_best(run: RunState, row: dict[str, Any], metric: str) -> None:
    """Remember the model if the mean of the metric over the domains is the best."""
    known = next(iter(row["val"].values()))
    if metric not in known:
        raise InputError(
            f"fit.metric={metric}: validation has {', '.join(sorted(known))}"
        )
    value = fmean(metrics[metric] for metrics in row["val"].values())
    if value > run.best_value:
        run.best_value, run.best_epoch, run.best_val = value, row["epoch"], row["val"]
        run.best = _copy(run.model)


def _done(run: RunState, options: FitOptions) -> bool:
    if run.optimizer is None:
        return run.epoch >= 1  # nothing to train: one validation tells everything
    # between two validations nothing is known to be worse
    validated = bool(run.history) and run.history[-1]["val"] is not None
    stale = run.epoch - 1 - run.best_epoch if validated else 0
    return run.epoch >= options.max_epochs or stale >= options.patience


def _terms(model: Model, weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights that count, checked against the model's losses."""
    check_weights(model, weights)
    return {name: weight for name, weight in weights.items() if weight > 0}


def _copy(model: Model) -> dict[str, Tensor]:
    """Return the state of a model, in memory of the host: a GPU's is scarcer."""
    state = model.state_dict()
    return {name: value.to("cpu", copy=True) for name, value in state.items()}


def _result(
    run: RunState, valid: ValidStage, validate: Callable[[Model, ValidStage], Metrics]
) -> FitResult:
    val = run.best_val or validate(run.model, valid)
    seconds = [row["seconds"] for row in run.history]
    return FitResult(
        best_epoch=run.best_epoch,
        val=val,
        epochs=run.epoch,
        fit_s=run.fit_s,
        train_epoch_s=fmean(seconds) if seconds else 0.0,
    )
