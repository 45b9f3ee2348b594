"""``micrec freshness``: how long a model stays good while data comes in."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.cli.evaluate import find
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.grid import aligned, markdown
from micrec_pyg.report.collect import labels_of
from micrec_pyg.report.freshness import (
    check_metric,
    curve,
    draw_curve,
    freshness_grid,
)
from micrec_pyg.runs.freshness import check_periods, check_split, freshness
from micrec_pyg.runs.read import Run, family_of, read_run, values_of
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import whole, write_text


def main(argv: list[str]) -> int:
    """Return 0 when the curve of all runs is written.

    Raises:
        InputError: A folder holds no finished run, or its split is not by time; or the
            runs are of several settings.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    folders = find(given.runs)
    runs = [read_run(folder) for folder in folders]
    # a test set is opened once all that was given can be answered
    for run in runs:
        check_split(run.path, run.record["split"], run.config["split"])
    check_periods(given.periods)
    _check_seeds(runs)
    metric = given.metric or str(runs[0].config["fit"]["metric"])
    check_metric(metric, _metrics(runs))
    table = pl.concat(
        [
            freshness(folder, periods=given.periods, device=given.device)
            for folder in folders
        ],
        how="diagonal",
    )
    points = curve(table, metric)
    output = Path(given.output or folders[0] / "freshness")
    output.mkdir(parents=True, exist_ok=True)
    with whole(output / "freshness.csv") as part:
        table.write_csv(part)
    grid = freshness_grid(points)
    write_text(output / "freshness.md", "\n".join(markdown(grid)) + "\n")
    draw_curve(
        points, [output / "freshness.svg", output / "freshness.pdf"], metric=metric
    )
    text = "\n".join(aligned(grid))
    show(
        f"{metric} of the last of {given.periods} periods, {len(runs)} "
        f"{'run' if len(runs) == 1 else 'runs'}\n"
        f"{text}\n"
        f"{output}: freshness.csv, freshness.md, freshness.svg, freshness.pdf\n"
    )
    return 0


def _check_seeds(runs: Sequence[Run]) -> None:
    """Refuse runs that differ in more than the seed: there is no mean of them.

    Raises:
        InputError: They do, or have a seed twice.
    """
    seeds: dict[int, str] = {}
    for run in runs:
        if run.seed in seeds:
            raise InputError(
                f"{seeds[run.seed]} and {run.path} both have seed={run.seed}; give "
                "runs of one model and one setting, each with a seed of its own"
            )
        seeds[run.seed] = run.path
    labels = dict.fromkeys(labels_of(runs).values())
    families = dict.fromkeys(" ".join(family_of(run)) for run in runs)
    told = families if len(families) > 1 else labels
    if len(told) > 1:
        raise InputError(
            f"the runs are of several settings: {', '.join(told)}; runs that differ in "
            "nothing but the seed are averaged: give those of one setting"
        )


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that the runs have on validation, and so everywhere."""
    named = [m for run in runs for *_, m, _ in values_of(run) if "@" in m]
    return list(dict.fromkeys(named))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec freshness",
        description="Rank the last period of the test span of runs under "
        "split=global_time: by their models with what came in before it added, by "
        "models trained anew, and by doing nothing. Writes a table and a picture "
        "(docs/serving.md). It reads test pairs, and counts in the card of each run.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="folders of runs, or of folders that hold them; those of several seeds "
        "are averaged",
    )
    parser.add_argument(
        "--periods",
        type=int,
        default=4,
        help="of the test span, of as many interactions each (4); the last is the test",
    )
    parser.add_argument("--metric", help="to show; else what selected the epochs")
    parser.add_argument(
        "--output", metavar="DIR", help="else the folder freshness in the first run"
    )
    parser.add_argument("--device", help="another device than the run was trained on")
    return parser
