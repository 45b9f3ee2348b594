"""Where a run lies, and whether it is there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.identity import run_ids
from micrec_pyg.storage.parts import remove_stale_parts

PATHS = (
    ("data", "path"),
    ("data", "root"),
    ("split", "path"),
    ("features", "cache_dir"),
    ("graph", "cache_dir"),
)
"""Settings that are paths, of files that an evaluation reads."""


def run_folder(experiment: Experiment, data: Mapping[str, str]) -> Path:
    """Return the folder of a run.

    Args:
        experiment: What the run is.
        data: Digest of each domain's catalogue as read.
    """
    ids = run_ids(
        experiment.settings, data, split=experiment.split, seed=experiment.seed
    )
    folder = Path(experiment.output_dir, experiment.dataset, experiment.model, ids[0])
    if not folder.exists():
        # a version that wrote or counted other axes in the name of the same run
        for run in ids:
            digits = run.rpartition("-")[2]
            for earlier in sorted(folder.parent.glob(f"*-s{experiment.seed}-{digits}")):
                return earlier
    return folder


def is_complete(folder: Path) -> bool:
    """Return whether training has finished: ``metrics.json`` is written last."""
    return (folder / "metrics.json").is_file()


def remove_leftovers(folder: Path) -> None:
    """Remove what a kill of training or evaluation left in a run."""
    for place in (folder, folder / "artefact"):
        remove_stale_parts(place)


def from_anywhere(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings of a run with paths that hold in any current folder.

    A relative path starts where the run was trained. The run's own place shows where
    that was, also after all of it has moved: ``output_dir`` is the end of it.

    Args:
        settings: As ``read_config`` returns them.
        folder: Of the run.
    """
    output = Path(str(settings.get("output_dir", "")))
    place = folder.resolve().parents[2:]  # of <output_dir>/<dataset>/<model>/<run>
    start = place[len(output.parts)] if len(place) > len(output.parts) else None
    if start is None or output.is_absolute() or start / output != place[0]:
        return dict(settings)
    found = {**settings}
    for group, key in PATHS:
        value = (found.get(group) or {}).get(key)
        if isinstance(value, str) and (start / value).exists():
            found[group] = {**found[group], key: str(start / value)}
    return found
