"""What the command line does, for scripts and notebooks (docs/python.md)."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.cli.overrides import folder_settings, written
from micrec_pyg.cli.process import prepare
from micrec_pyg.cli.report import METRICS
from micrec_pyg.cli.tracking.push import add_results
from micrec_pyg.cli.train import train_job
from micrec_pyg.evaluation.significance import TESTS, TestOptions
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.inference.recommender import load as load_artefact
from micrec_pyg.report.compare import Question
from micrec_pyg.report.compare import compare as compare_runs
from micrec_pyg.report.compare_output import as_json
from micrec_pyg.runs.frames import Catalogue
from micrec_pyg.runs.read import Run, read_run
from micrec_pyg.schema import InputError

PARTS = ("test", "val")
"""Of a run, that can be compared."""


def train(*given: Catalogue | Path | str, **settings: Any) -> Run:
    """Return a finished run; a complete one is not trained again.

    It is the command ``micrec train``: the same keys, the same folder, and an
    interrupted run goes on.

    Args:
        given: Settings as on the command line (``"K=3"``), a catalogue, or the folder
            of one.
        settings: Settings by name: ``model="micrec"``, ``K=3``,
            ``fit={"max_epochs": 20}``.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    _begin()
    overrides = [text for each in given for text in _overrides(each)]
    overrides += [f"{key}={written(value)}" for key, value in _flat(settings, "")]
    return read_run(train_job(overrides))


def evaluate(
    run: Run | Path | str, *, again: bool = False, device: str | None = None
) -> Run:
    """Return a run with its test results; opens the sealed test set once.

    Args:
        run: A run or its folder.
        again: Whether to evaluate also where there are results.
        device: Another one than the run was trained on.

    Raises:
        InputError: The folder is no finished run, or its data has changed.
    """
    _begin()
    tested = read_run(_folder(run)).evaluate(again=again, device=device)
    add_results(Path(tested.path))
    return tested


def load(run: Run | Path | str, *, device: str = "cpu") -> Recommender:
    """Return what answers from a finished run, or from its artefact alone.

    Args:
        run: A run, its folder, or the folder of an artefact, wherever it lies.
        device: Where the model computes.

    Raises:
        InputError: There is no artefact, or it is damaged; the file is named.
    """
    _begin()
    return load_artefact(_folder(run), device=device)


def compare(
    *runs: Run | Path | str,
    reference: str | None = None,
    metrics: Sequence[str] = METRICS,
    groups: Sequence[str] = ("all",),
    part: str = "test",
    test: str = TESTS[0],
    alpha: float = 0.05,
    resamples: int = 5000,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the differences between runs, paired over users, with their tests.

    It is the command ``micrec compare`` (docs/statistics.md): a row per domain, group,
    metric and model. Runs that differ in the seed alone count as one model.

    Args:
        runs: Runs, their folders, or folders that hold some.
        reference: Label or folder of the reference; None: the first run.
        metrics: Which, such as ``ndcg@20``.
        groups: Which, see docs/metrics.md.
        part: ``test`` or ``val``.
        test: ``wilcoxon`` or ``permutation``.
        alpha: Level of the intervals.
        resamples: Of the bootstrap and the permutation test.
        seed: Of the resamples.

    Raises:
        InputError: The runs cannot be compared.
    """
    if not runs:
        raise InputError("no runs were given; give two or more")
    if part not in PARTS:
        raise InputError(f"part={part}: give one of {', '.join(PARTS)}")
    question = Question(part=part, groups=groups, metrics=metrics)
    options = TestOptions(test=test, alpha=alpha, resamples=resamples, seed=seed)
    roots = [str(_folder(run)) for run in runs]
    table = compare_runs(roots, question, options, reference=reference)
    return pl.DataFrame(
        as_json(table, question, options)["cells"], infer_schema_length=None
    )


def _folder(run: object) -> Path:
    if not isinstance(run, Run | Path | str):
        raise InputError(
            f"a {type(run).__name__} was given; give a run or its folder, several runs "
            "one by one: compare(*runs)"
        )
    return Path(run.path if isinstance(run, Run) else run)


def _overrides(given: object) -> list[str]:
    """Return what stands for an argument on the command line."""
    if isinstance(given, str) and ("=" in given or given.startswith("~")):
        return [given]
    if not isinstance(given, Catalogue | Path | str):
        raise InputError(
            f"a {type(given).__name__} was given; give key=value, the folder of a "
            "catalogue, or Catalogue.from_frames({'films': frame})"
        )
    path = Path(given.path if isinstance(given, Catalogue) else given)
    if not path.is_dir():
        raise InputError(
            f"'{path}' is no folder; give key=value, a catalogue, or the folder of one"
        )
    return folder_settings(path)


def _flat(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _begin() -> None:
    """Prepare the process, and show log lines where nobody has said how."""
    prepare()
    logger = logging.getLogger("micrec_pyg")
    if not logger.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
