"""How near the two accounts of a shared user are, before and after propagation.

A picture of vectors proves nothing; the rank of the true counterpart does: for every
shared user, how many of all shared users of the other domain are more similar than the
user's own account there. 1 is perfect, (n + 1) / 2 is chance.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from micrec_pyg.graph.build import true_overlap
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import Model
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.runs.evaluate import open_run
from micrec_pyg.schema import InputError, Pair, TrainStage
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.writing import write_parquet

FILE = "alignment.parquet"
"""In the folder of a run: what ``measure_alignment`` found."""

STAGES: Mapping[str, str] = {
    "e": "templates, before neighbours and propagation",
    "z": "after propagation, what recommends",
    "projected": "z behind the projection head, what the loss aligns",
}
BLOCK = 1024
"""Users compared with all others at a time."""

Vectors = Mapping[str, tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]]
"""By stage: the vectors of the shared users in both domains of a pair."""


def measure_alignment(folder: Path) -> pl.DataFrame:
    """Return how near the accounts of shared users are in training; kept with the run.

    Args:
        folder: Of a finished run of a model with templates and projection heads.

    Returns:
        A row per pair of domains and stage: pair, stage, users, mean_rank, chance,
        hits@10 (share of users whose counterpart is among the first ten).

    Raises:
        InputError: The domains share no user, or the model has no templates.
    """
    path = folder / FILE
    if path.is_file():
        return read_parquet(path)
    rows = []
    for pair, stages in shared_vectors(folder).items():
        for stage, (first, second) in stages.items():
            ranks = torch.cat(
                [counterpart_ranks(first, second), counterpart_ranks(second, first)]
            ).double()
            rows.append(
                {
                    "pair": " & ".join(pair),
                    "stage": stage,
                    "users": len(first),
                    "mean_rank": float(ranks.mean()),
                    "chance": (len(first) + 1) / 2,
                    "hits@10": float((ranks <= 10).double().mean()),
                }
            )
    table = pl.DataFrame(rows)
    write_parquet(path, table)
    return table


def counterpart_ranks(
    asked: Float[Tensor, "n d"], there: Float[Tensor, "n d"]
) -> Float[Tensor, " n"]:
    """Return the rank of row i of ``there`` for row i of ``asked``, by cosine.

    The best is 1. Others that are exactly as similar count half, so vectors that are
    all equal have the rank of chance.
    """
    asked, there = normalize(asked.double()), normalize(there.double())
    found = []
    for rows in torch.arange(len(asked)).split(BLOCK):
        similarity = asked[rows] @ there.T
        own = similarity.gather(1, rows[:, None])
        better = (similarity > own).sum(1)
        equal = (similarity == own).sum(1) - 1
        found.append(1 + better + equal / 2)
    return torch.cat(found)


def shared_vectors(folder: Path) -> dict[Pair, Vectors]:
    """Return the vectors of the users whom two domains share, in training.

    Raises:
        InputError: See ``measure_alignment``.
    """
    experiment, inputs, model = open_run(folder)
    if not (hasattr(model, "templates") and hasattr(model, "head")):
        raise InputError(
            f"{folder}: the model {experiment.model} has no templates and projection "
            "heads; give a run of micrec"
        )
    stage = to_device(inputs.train, experiment.device)
    overlap = true_overlap(inputs.domains, inputs.train.tasks)
    if not any(rows.shape[1] for rows in overlap.values()):
        raise InputError(f"{folder}: its domains share no user in training")
    model.eval()
    with torch.no_grad():
        return {
            pair: _vectors(model, stage, pair, rows.to(experiment.device))
            for pair, rows in overlap.items()
        }


def _vectors(model: Model, stage: TrainStage, pair: Pair, rows: Tensor) -> Vectors:
    z = model(stage.graphs)
    # what not every model has: its templates and its projection heads
    parts: Any = model
    found: dict[str, list[Tensor]] = {name: [] for name in STAGES}
    for domain, own in zip(pair, rows, strict=True):
        e = parts.templates(domain, stage.graphs[domain], None)
        mine = z[domain].user[own]
        found["e"].append(e.user[own].cpu())
        found["z"].append(mine.cpu())
        found["projected"].append(parts.head[module_key(domain)](mine).cpu())
    return {name: (first, second) for name, (first, second) in found.items()}
