"""A finished run is tested: the one place that opens the sealed test set."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.data.splits.saved import IN_RUN, check_split
from micrec_pyg.evaluation.evaluate import Report, summary
from micrec_pyg.graph.build import test_stage
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import Model
from micrec_pyg.process_group import first_before_others, from_first, is_first
from micrec_pyg.run_warnings import working_on
from micrec_pyg.runs.device import check_device
from micrec_pyg.runs.experiment import Experiment, experiment_of
from micrec_pyg.runs.files import check_record, read_config, read_json
from micrec_pyg.runs.folder import from_anywhere, remove_leftovers
from micrec_pyg.runs.inputs import Inputs, load
from micrec_pyg.runs.job import locked_by_first, make_model
from micrec_pyg.runs.progress import step
from micrec_pyg.runs.results import per_user
from micrec_pyg.runs.save import (
    MODEL,
    check_data,
    write_known,
    write_metrics,
    write_test,
)
from micrec_pyg.runs.sealed import METRICS, check_run, remedy_of_run
from micrec_pyg.schema import InputError, TestStage
from micrec_pyg.storage.seals import MANIFEST
from micrec_pyg.storage.tensors import read_tensors

logger = logging.getLogger(__name__)


def evaluate_job(
    folder: Path,
    *,
    again: bool = False,
    device: str | None = None,
    data: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the metrics of a finished run with its test results.

    The first call evaluates on the test set; later ones return what is written,
    unless ``again``. Every evaluation counts in the run card before it begins, so
    that one which fails or is killed counts too. Several processes of one command
    (``process_group``) divide the users; the first one alone writes.

    Args:
        folder: Of the run.
        again: Whether to evaluate also where there are results.
        device: Another one than the run was trained on.
        data: Settings of the data that have changed since, such as its path.

    Raises:
        InputError: The folder is no finished run, or its data has changed.
    """
    there = None if again else from_first(lambda: _tested(folder))
    if there is not None:
        return there
    with finished_run(folder) as metrics:
        if "test" in metrics and not again:  # by another command meanwhile
            return metrics
        experiment, inputs, model = first_before_others(
            lambda: open_run(folder, device=device, data=data)
        )
        count_test(folder, metrics, experiment, inputs)
        with step("test evaluation"), working_on(experiment.model, folder):
            frame, report, sealed = _test(experiment, inputs, model)
        metrics["test"] = summary(report)
        metrics["timing"]["evaluate_users_per_s"] = report.users_per_s
        if is_first():
            write_test(folder, frame)
            write_known(folder, experiment, inputs, sealed)
            write_metrics(folder, metrics, experiment, inputs)
    return metrics


@contextmanager
def finished_run(folder: Path) -> Iterator[dict[str, Any]]:
    """Keep other commands out of a finished run that is whole; yield its metrics.

    Who waited finds what another command has written meanwhile: look again inside.

    Args:
        folder: Of the run.

    Raises:
        InputError: The folder is no finished run, or a file of it is damaged.
    """
    if not (folder / MANIFEST).exists():
        read_json(folder / METRICS)  # a folder of something else gets no lock
    with locked_by_first(folder):
        yield from_first(lambda: _checked_metrics(folder))


def count_test(
    folder: Path, metrics: dict[str, Any], experiment: Experiment, inputs: Inputs
) -> None:
    """Write down one more evaluation of the test set, before anybody reads an edge.

    Args:
        folder: Of the run.
        metrics: What ``finished_run`` yielded, changed in place.
        experiment: What the run is.
        inputs: What it worked on.
    """
    metrics["test_evaluations"] = metrics.get("test_evaluations", 0) + 1
    # other processes of this command wait here
    from_first(lambda: write_metrics(folder, metrics, experiment, inputs))


def _tested(folder: Path) -> dict[str, Any] | None:
    """Return the metrics of a run that is tested already; None: it is not.

    Nothing is written, so that a run on a read-only disk can be read.
    """
    try:
        there = read_json(folder / METRICS)
    except (InputError, OSError):  # told by who wants to test it
        return None
    if "test" not in there:
        return None
    logger.info("%s: test results are there already", folder)
    return _read_metrics(folder)


def _checked_metrics(folder: Path) -> dict[str, Any]:
    """Return the metrics of a run that is whole, without what a kill left in it."""
    metrics = _read_metrics(folder)
    remove_leftovers(folder)
    return metrics


def _read_metrics(folder: Path) -> dict[str, Any]:
    """Return the metrics of a run that is whole."""
    check_run(folder)
    metrics: dict[str, Any] = read_json(folder / METRICS)
    check_record(metrics, folder / METRICS)
    return {"timing": {}, **metrics}


def open_run(
    folder: Path,
    *,
    device: str | None = None,
    data: Mapping[str, str] | None = None,
) -> tuple[Experiment, Inputs, Model]:
    """Return what a finished run was, what it worked on, and its trained model.

    Args:
        folder: Of the run.
        device: Another one than the run was trained on.
        data: Settings of the data that have changed since, such as its path.

    Raises:
        InputError: The folder is no finished run, or its data has changed.
    """
    settings = from_anywhere(read_config(folder), folder)
    settings["data"] = {**settings.get("data", {}), **(data or {})}
    place = check_device(
        device or str(settings.get("device", "auto")), fall_back=not device
    )
    experiment = experiment_of(settings, device=place)
    inputs = load(experiment)
    check_data(folder, inputs)
    check_split(inputs.splits, inputs.domains, folder / IN_RUN)
    model = make_model(experiment, inputs)
    with remedy_of_run(folder):
        tensors, _ = read_tensors(folder / MODEL)
    model.load_state({name: value.to(place) for name, value in tensors.items()})
    return experiment, inputs, model


def _test(
    experiment: Experiment, inputs: Inputs, model: Model
) -> tuple[pl.DataFrame, Report, TestStage]:
    """Return the test results per user and in all, and the stage.

    The one reader of test edges.
    """
    sealed = test_stage(
        inputs.train,
        inputs.domains,
        inputs.splits,
        inputs.options,
        answers=model.answers,
    )
    sealed = to_device(sealed, experiment.device)
    report: Report = experiment.rank(model, sealed, train=inputs.train)
    return per_user(report, sealed, inputs, part="test"), report, sealed
