"""The vectors of a trained model, by raw id."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.to_device import to_device
from micrec_pyg.runs.evaluate import open_run
from micrec_pyg.runs.files import read_json
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
        raise _no_vectors(folder, experiment.model)
    task, sides = inputs.train.tasks[domain], inputs.domains[domain].interactions
    model.eval()
    with torch.no_grad():
        every = model(to_device(inputs.train, experiment.device).graphs)
    if task.graph not in every:
        raise _no_vectors(folder, experiment.model)
    z = every[task.graph]
    return NodeVectors(
        user=_frame(sides.users.ids, task.data[USER].n_id, z.user, task.user),
        item=_frame(sides.items.ids, task.data[ITEM].n_id, z.item, task.item),
    )


def _no_vectors(folder: Path, model: str) -> InputError:
    return InputError(
        f"{folder}: the model {model} learns no vectors; give a run of a model that "
        "does, such as micrec or lightgcn"
    )


def _frame(
    ids: pl.Series,
    rows: Int[Tensor, " nodes"],
    table: Float[Tensor, "all dim"],
    places: Int[Tensor, " nodes"] | None,
) -> pl.DataFrame:
    """Return raw ids with their vectors.

    Args:
        ids: Of the vocabulary.
        rows: Place of each node there.
        table: Vectors of a graph.
        places: Row of each node there; None: its own.
    """
    vectors = table if places is None else table[places.to(table.device)]
    vector = vectors.detach().cpu().numpy()  # a model may return its parameters
    return pl.DataFrame({"id": ids.gather(rows.cpu().numpy()), "vector": vector})
