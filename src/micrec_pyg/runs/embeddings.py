"""The vectors of a trained model, by raw id."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.evaluation.embed import embed
from micrec_pyg.graph.build import valid_stage
from micrec_pyg.runs.evaluate import open_run
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.inputs import to_device
from micrec_pyg.schema import ITEM, USER, InputError


@dataclass(frozen=True, eq=False)
class NodeVectors:
    """The final representations of one domain; columns ``id`` and ``vector``."""

    user: pl.DataFrame
    item: pl.DataFrame


def node_vectors(folder: Path, domain: str) -> NodeVectors:
    """Return the vectors of the best epoch, of the nodes that training knew.

    Args:
        folder: Of a finished run.
        domain: Name.

    Raises:
        InputError: There is no such domain, or the model has no vectors.
    """
    domains = read_json(folder / "artefact" / "digests.json")
    if domain not in domains:
        raise InputError(
            f"domain '{domain}': {folder} has {', '.join(domains)}; give one of them"
        )
    experiment, inputs, model = open_run(folder)
    if next(model.parameters(), None) is None:
        raise InputError(
            f"{folder}: the model {experiment.model} learns no vectors; give a run of "
            "a model that does, such as micrec or lightgcn"
        )
    stage = to_device(valid_stage(inputs.train, inputs.splits), experiment.device)
    model.eval()
    with torch.no_grad():
        z = embed(model, stage.graphs)[domain]
    data, sides = inputs.train.graphs[domain], inputs.domains[domain].interactions
    return NodeVectors(
        user=_frame(sides.users.ids, data[USER].n_id, z.user),
        item=_frame(sides.items.ids, data[ITEM].n_id, z.item),
    )


def _frame(
    ids: pl.Series, rows: Tensor, vectors: Float[Tensor, "nodes dim"]
) -> pl.DataFrame:
    """Return raw ids with their vectors."""
    return pl.DataFrame(
        {"id": ids.gather(rows.cpu().numpy()), "vector": vectors.cpu().numpy()}
    )
