"""How long a plan takes and how much disk, before anything of it runs."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies.facts import DataFacts
from micrec_pyg.durations import duration

SECONDS = 2e-5
"""Of training, per interaction and epoch, on one core: the order of what
docs/performance.md has measured."""
LEAST_S = 3.0
"""Of any run: reading, graphs, ranking."""
WIDTHS: Mapping[str, int] = {"text": 384, "image": 1280}
"""Of the vectors that the default encoders make."""
TABLE = 64
"""Width of a model's vectors."""


@dataclass(frozen=True)
class Estimate:
    """What is left to do."""

    seconds: float
    """Of all runs together, divided by the jobs at a time."""
    measured: bool
    """Whether finished runs of every model say so; else it is an upper bound."""
    size: int
    """Bytes that the runs will take."""
    free: int
    """Bytes of the disk."""

    def __str__(self) -> str:
        """Return it in one sentence."""
        how = "by finished runs of each model" if self.measured else "at most"
        return (
            f"time: about {duration(self.seconds)} ({how}); disk: about "
            f"{self.size / 2**30:.2f} GiB, {self.free / 2**30:.1f} GiB are free"
        )


def estimate(
    todo: Sequence[Job],
    facts: DataFacts,
    *,
    done: Mapping[str, Sequence[float]],
    folders: Sequence[Path],
    workers: int,
    output_dir: Path,
) -> Estimate:
    """Return what the jobs that are left will take.

    Args:
        todo: Jobs that are left, labelled by model.
        facts: Of the data.
        done: Seconds of finished runs by model.
        folders: Of finished runs, whose size is taken.
        workers: Jobs at a time.
        output_dir: Where runs go.

    Raises:
        InputError: The settings of a job cannot be used.
    """
    models = {job.label: job for job in todo}
    per_model = {
        model: sum(done[model]) / len(done[model])
        if done.get(model)
        else _bound(job, facts)
        for model, job in models.items()
    }
    sizes = [_size(folder) for folder in folders]
    each = sum(sizes) / len(sizes) if sizes else _size_of(facts)
    existing = next(
        p for p in [output_dir.absolute(), *output_dir.absolute().parents] if p.exists()
    )
    return Estimate(
        seconds=sum(per_model[job.label] for job in todo) / max(1, workers),
        measured=all(done.get(model) for model in models),
        size=int(each * len(todo)),
        free=shutil.disk_usage(existing).free,
    )


def _bound(job: Job, facts: DataFacts) -> float:
    """Return the seconds of a run that trains all its epochs."""
    from micrec_pyg.cli.config import composed

    settings = composed(job.overrides)
    epochs = settings["fit"]["max_epochs"] if settings["model"]["weights"] else 0
    return LEAST_S + SECONDS * facts.interactions * int(epochs)


def _size_of(facts: DataFacts) -> float:
    """Return the bytes of a run: model, vectors of items, split and results."""
    width = sum(WIDTHS.get(name, 0) for name in facts.has)
    nodes = facts.users + facts.items
    return 4.0 * (facts.items * width + 3 * nodes * TABLE + 8 * facts.interactions)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
