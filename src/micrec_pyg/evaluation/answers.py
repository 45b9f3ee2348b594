"""What a model answers, checked before it is ranked."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.models.base import Model
from micrec_pyg.nn.inner_products import InnerProducts
from micrec_pyg.schema import ITEM, USER, Embeddings, InputError, Score


def check_vectors(
    model: Model, z: Mapping[str, object], graphs: Mapping[str, HeteroData]
) -> None:
    """Refuse vectors that are not of the nodes of the graphs.

    Args:
        model: Whose ``forward`` gave them.
        z: By domain; a model whose scorer needs none gives none.
        graphs: That it was given.

    Raises:
        InputError: They are none, or not as many as there are nodes.
    """
    name = type(model).__name__
    for domain, each in z.items():
        if not isinstance(each, Embeddings):
            raise InputError(
                f"{name}.forward gave a {type(each).__name__} for domain '{domain}'; "
                "give Embeddings(user=..., item=...)"
            )
        for kind, rows in ((USER, each.user), (ITEM, each.item)):
            needed = graphs[domain][kind].num_nodes
            if len(rows) != needed:
                raise InputError(
                    f"{name}.forward gave {len(rows):,} vectors of {kind}s for domain "
                    f"'{domain}', whose graph has {needed:,}; give one for every node"
                )


def checked(score: Score, model: Model, domain: str, num_items: int) -> Score:
    """Return a scorer that refuses what is no score of every item.

    Args:
        score: Made by the model.
        model: For the message.
        domain: Whose items are scored.
        num_items: Of its graph.

    Raises:
        InputError: When it is called: it gave another shape, or no decimals.
    """
    if isinstance(score, InnerProducts):
        return score  # of the vectors that were checked

    def of_rows(rows: Tensor) -> Tensor:
        found: object = score(rows)
        if not isinstance(found, Tensor):
            raise InputError(
                f"the scorer of {type(model).__name__} gave a {type(found).__name__}; "
                f"needed: a tensor [{len(rows)}, {num_items}]"
            )
        if found.shape != (len(rows), num_items) or not found.is_floating_point():
            kind = str(found.dtype).removeprefix("torch.")
            raise InputError(
                f"the scorer of {type(model).__name__} gave {list(found.shape)} of "
                f"{kind} for {len(rows)} users of domain '{domain}' with "
                f"{num_items:,} items; needed: [{len(rows)}, {num_items}] of "
                f"{str(torch.get_default_dtype()).removeprefix('torch.')}, a row for "
                "each user that is asked about"
            )
        return found

    return of_rows
