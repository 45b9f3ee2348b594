"""Pictures of how runs trained, and of two swept settings, beside the tables."""

from pathlib import Path

import polars as pl

from micrec_pyg.report.collect import labels_of, varied
from micrec_pyg.report.curve_figure import draw_curves
from micrec_pyg.report.gate_figure import draw_gates
from micrec_pyg.report.heat_figure import draw_pairs
from micrec_pyg.report.names import Names
from micrec_pyg.runs.read import Run, family_of, read_run


def draw_training(
    results: pl.DataFrame, path: Path, *, metric: str, part: str
) -> list[Path]:
    """Return the pictures written, as SVG and as PDF.

    Per data set and split the validation and the losses by epoch, and the gates of
    each model that has some; per model with two swept settings a heat map of each pair.

    Args:
        results: As ``collect`` returns it.
        path: What the pictures' names begin with; its ending is left out.
        metric: Of the heat maps, mean over the domains.
        part: ``val`` or ``test``.
    """
    runs = [read_run(Path(run)) for run in results["run"].unique(maintain_order=True)]
    labels, settings = labels_of(runs), varied(runs)
    written, names = [], Names(r"\w-")
    for place in dict.fromkeys(family_of(run)[:2] for run in runs):
        own: dict[str, list[Run]] = {}
        for run in runs:
            if family_of(run)[:2] == place:
                own.setdefault(labels[run.path], []).append(run)
        written += draw_curves(own, _named(path, names, *place, "training"))
        for label, same in own.items():
            written += draw_gates(same, _named(path, names, *place, label, "gates"))
    rows = results.filter(part=part, group="all", metric=metric)
    values = dict(rows.group_by("run").agg(pl.col("value").mean()).iter_rows())
    for family in dict.fromkeys(map(family_of, runs)):
        mine = [r for r in runs if family_of(r) == family and r.path in values]
        frame = pl.DataFrame(
            [{**settings[run.path], "value": values[run.path]} for run in mine]
        )
        axes = [name for name in frame.columns if name != "value"]
        place_of = _named(path, names, *family)
        written += draw_pairs(frame, axes, place_of, name=f"{part} {metric}")
    return written


def _named(path: Path, names: Names, *parts: str) -> Path:
    """Return the path of a picture, whose ending is replaced."""
    return path.with_name(names("-".join([path.stem, *parts])) + ".svg")
