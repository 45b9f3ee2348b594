"""``micrec freshness``: how long a model stays good while data comes in."""

import argparse
from pathlib import Path

import polars as pl

from micrec_pyg.cli.evaluate import find
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.grid import aligned, markdown
from micrec_pyg.report.freshness import curve, draw_curve, freshness_grid
from micrec_pyg.runs.files import read_config
from micrec_pyg.runs.freshness import freshness
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import whole, write_text


def main(argv: list[str]) -> int:
    """Return 0 when the curve of all runs is written.

    Raises:
        InputError: A folder holds no finished run, or its split is not by time.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    folders = find(given.runs)
    metric = given.metric or _metric(folders)
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
        f"{metric} of the last of {given.periods} periods, {len(folders)} runs\n"
        f"{text}\n"
        f"{output}: freshness.csv, freshness.md, freshness.svg, freshness.pdf\n"
    )
    return 0


def _metric(folders: list[Path]) -> str:
    """Return the metric that selected the epochs of all runs.

    Raises:
        InputError: They have several.
    """
    found = {str(read_config(folder)["fit"]["metric"]) for folder in folders}
    if len(found) > 1:
        raise InputError(
            f"the runs were selected by {', '.join(sorted(found))}; give --metric"
        )
    return found.pop()


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
