"""One run from configuration to run folder, and its evaluation on the test set."""

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.cli import run_folder as files
from micrec_pyg.cli.config import Config, build, check_device, composed
from micrec_pyg.cli.inputs import Inputs, fitted_rows, load, seen_only, to_device
from micrec_pyg.cli.logging_wandb import Tracker
from micrec_pyg.cli.progress import Progress, step
from micrec_pyg.cli.results import peak_memory, per_user, run_card, versions
from micrec_pyg.data.splits.saved import IN_RUN, check_split, save_split
from micrec_pyg.evaluation.evaluate import Report, summary, validate
from micrec_pyg.graph.build import domain_sizes, test_stage, valid_stage
from micrec_pyg.models.base import Model
from micrec_pyg.runs.sealed import METRICS, check_run, remedy_of_run, seal_run
from micrec_pyg.schema import ITEM, USER, InputError, RandomStreams, ValidStage
from micrec_pyg.storage import writing
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.seals import changing
from micrec_pyg.storage.tensors import read_tensors, write_tensors
from micrec_pyg.training.fit import FitResult, fit

logger = logging.getLogger(__name__)

OnEpoch = Callable[[dict[str, Any]], None]


def train_job(overrides: Sequence[str], on_epoch: OnEpoch | None = None) -> Path:
    """Return the folder of the run that these overrides describe, trained if needed.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    return run(composed(overrides), on_epoch=on_epoch)


def run(
    config: Config, *, sweep: str | None = None, on_epoch: OnEpoch | None = None
) -> Path:
    """Return the folder of a finished run; a complete one is not trained again.

    Args:
        config: Resolved configuration.
        sweep: Name of the sweep that the run is part of, for the logger.
        on_epoch: Called with each line of ``history.jsonl``.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    folder = files.run_folder(config)
    if files.is_complete(folder):
        check_run(folder)
        logger.info("%s is complete and not trained again", folder)
        return folder
    logger.info("run: %s", folder)
    for place in (folder, folder / "artefact"):
        remove_stale_parts(place)
    inputs = load(config)
    writing.write_yaml(folder / "config.yaml", config)
    _remember_inputs(folder, inputs, config["split_name"])
    writing.write_text(folder / "data_card.md", inputs.data_card)
    tracker = Tracker(config, folder, sweep)
    try:
        _train(config, inputs, folder, tracker, on_epoch)
    finally:
        tracker.finish()
    return folder


def evaluate_job(
    folder: Path, *, again: bool = False, device: str | None = None
) -> dict[str, Any]:
    """Return the metrics of a finished run with its test results.

    The first call evaluates on the test set; later ones return what is written,
    unless ``again``. Every evaluation counts in the run card.

    Raises:
        InputError: The folder is no finished run, or its data has changed.
    """
    check_run(folder)
    config = files.read_config(folder)
    metrics = files.read_json(folder / "metrics.json")
    if "test" in metrics and not again:
        logger.info("%s: test results are there already", folder)
        return metrics
    config["device"] = check_device(device or config["device"], fall_back=not device)
    inputs = load(config)
    _check_data(folder, inputs)
    check_split(inputs.splits, inputs.domains, folder / IN_RUN)
    model = make_model(config, inputs)
    with remedy_of_run(folder):
        tensors, _ = read_tensors(folder / "artefact" / "model.safetensors")
    model.load_state(tensors)
    model.to(config["device"])
    with step("test evaluation"):
        frame, report = _test(config, inputs, model)
    metrics["test"] = summary(report)
    metrics["timing"]["evaluate_users_per_s"] = report.users_per_s
    metrics["test_evaluations"] = metrics.get("test_evaluations", 0) + 1
    with changing(folder, ["per_user.parquet", METRICS]):
        _write_test(folder, frame)
        writing.write_text(folder / "run_card.md", run_card(metrics, config, inputs))
        writing.write_json(folder / METRICS, metrics)
    return metrics


def make_model(config: Config, inputs: Inputs) -> Model:
    """Return the untrained model of a configuration, on its device."""
    make = build(config["model"]["net"])
    model: Model = make(
        sizes=domain_sizes(inputs.fitted), streams=RandomStreams(config["seed"])
    )
    return model.to(config["device"])


def _train(
    config: Config,
    inputs: Inputs,
    folder: Path,
    tracker: Tracker,
    on_epoch: OnEpoch | None,
) -> None:
    """Fit, evaluate on the validation pairs, and write the run's files."""
    options = build(config["fit"])
    valid = to_device(valid_stage(inputs.train, inputs.splits), config["device"])
    model = make_model(config, inputs)

    bar = closing(Progress(options.max_epochs, options.metric))
    with step("training"), bar as progress:

        def show(row: dict[str, Any]) -> None:
            for listener in (progress.epoch, tracker.epoch, on_epoch):
                if listener is not None:
                    listener(row)

        result = fit(
            model,
            to_device(inputs.fitted, config["device"]),
            valid,
            options=options,
            weights=config["model"]["weights"],
            streams=RandomStreams(config["seed"], config["device"]),
            validate=partial(
                validate,
                k=_cut_off(options.metric),
                batch_size=config["rank"]["batch_size"],
            ),
            folder=folder,
            on_epoch=show,
        )
    with step("validation"):
        report: Report = build({**config["rank"], "groups": False})(model, valid)
    metrics = _metrics(config, result, report)
    _write_run(folder, config, inputs, model, valid, report, metrics)
    tracker.result(metrics)


def _cut_off(metric: str) -> int:
    """Return the k of a metric such as ndcg@20."""
    _, at, k = metric.partition("@")
    if not at or not k.isdecimal():
        raise InputError(f"fit.metric={metric}: give a metric and cut-off as ndcg@20")
    return int(k)


def _metrics(config: Config, result: FitResult, report: Report) -> dict[str, Any]:
    """Return the content of ``metrics.json`` before any test."""
    return {
        "schema": files.SCHEMA,
        "dataset": config["dataset"],
        "model": config["model"]["name"],
        "seed": config["seed"],
        "split": config["split_name"],
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "val": summary(report),
        "timing": {
            "fit_s": result.fit_s,
            "train_epoch_s": result.train_epoch_s,
            "evaluate_users_per_s": report.users_per_s,
        },
        **peak_memory(config["device"]),
        "device": config["device"],
        "test_evaluations": 0,
        "versions": versions(),
    }


def _write_run(
    folder: Path,
    config: Config,
    inputs: Inputs,
    model: Model,
    valid: ValidStage,
    report: Report,
    metrics: dict[str, Any],
) -> None:
    """Write every file of a run, ``metrics.json`` last: then the run is complete."""
    artefact = folder / "artefact"
    write_tensors(
        artefact / "model.safetensors",
        {name: value.cpu() for name, value in model.state_dict().items()},
        {"model": metrics["model"], "best_epoch": metrics["best_epoch"]},
    )
    for name, data in inputs.train.graphs.items():
        sides = inputs.domains[name].interactions
        for kind, node, vocab in (
            ("users", USER, sides.users),
            ("items", ITEM, sides.items),
        ):
            train_row = pl.Series([None] * len(vocab), dtype=pl.Int64)
            rows = fitted_rows(inputs, name, node)
            train_row[data[node].n_id.tolist()] = rows.tolist()
            writing.write_parquet(
                artefact / f"{kind}-{name}.parquet",
                pl.DataFrame({"id": vocab.ids, "train_row": train_row}),
            )
    writing.write_yaml(artefact / "config.yaml", config)
    writing.write_parquet(
        folder / "per_user.parquet", per_user(report, valid, inputs, part="val")
    )
    writing.write_text(folder / "run_card.md", run_card(metrics, config, inputs))
    seal_run(folder)
    with changing(folder, [METRICS]):
        writing.write_json(folder / METRICS, metrics)
    # its use was to continue an unfinished run
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _test(config: Config, inputs: Inputs, model: Model) -> tuple[pl.DataFrame, Report]:
    """Return the test results per user and in all; the one reader of test edges."""
    device = config["device"]
    sealed = to_device(
        test_stage(inputs.train, inputs.domains, inputs.splits, inputs.options), device
    )
    reduced = to_device(seen_only(inputs), device)
    report: Report = build(config["rank"])(model, sealed, fallback=reduced)
    groups = {g for frame in report.per_user.values() for g in frame["group"].unique()}
    # only a model without an answer for new nodes leaves out the group of all
    stage = sealed if "all" in groups else reduced
    return per_user(report, stage, inputs, part="test"), report


def _write_test(folder: Path, test: pl.DataFrame) -> None:
    """Replace the test rows of ``per_user.parquet``, keep the others."""
    path = folder / "per_user.parquet"
    with remedy_of_run(folder):
        before = read_parquet(path).filter(pl.col("part") != "test")
    writing.write_parquet(path, pl.concat([before, test], how="diagonal"))


def _remember_inputs(folder: Path, inputs: Inputs, protocol: str) -> None:
    """Write a run's split and the digests of its data; refuse to go on with others."""
    digests, split = folder / "artefact" / "digests.json", folder / IN_RUN
    if digests.is_file():
        _check_data(folder, inputs)
    elif not split.is_dir():
        save_split(inputs.splits, inputs.domains, split, protocol=protocol)
    check_split(inputs.splits, inputs.domains, split)
    writing.write_json(digests, inputs.digests)


def _check_data(folder: Path, inputs: Inputs) -> None:
    before = files.read_json(folder / "artefact" / "digests.json")
    names = {*before, *inputs.digests}
    changed = [n for n in sorted(names) if before.get(n) != inputs.digests.get(n)]
    if changed:
        raise InputError(
            f"the data of {', '.join(changed)} is not what {folder} was trained on; "
            "restore the files, or delete that folder and train again"
        )
