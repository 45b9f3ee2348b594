"""Items that are like an item: by the model's vectors, else by content."""

from collections.abc import Callable

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.inference.neighbors import item_features
from micrec_pyg.inference.world import World
from micrec_pyg.schema import ITEM, InputError

MODEL, CONTENT = "model", "content"


@torch.no_grad()
def similar(world: World, domain: str, row: int, *, k: int, by: str) -> pl.DataFrame:
    """Return the k most similar items of a domain, a row each.

    Args:
        world: What is known.
        domain: Of the items.
        row: Of the item, in the domain's graph.
        k: How many.
        by: ``model``, the cosine of the model's vectors; or ``content``.

    Raises:
        InputError: The model has no vectors, or the item has no content.
    """
    ways: dict[str, Callable[[World, str, int], Tensor]] = {
        MODEL: _by_vectors,
        CONTENT: _by_content,
    }
    if by not in ways:
        raise InputError(f"by={by}: give one of {', '.join(ways)}")
    score = ways[by](world, domain, row).cpu()
    tables = world.rows(domain)
    if tables.allowed is not None:
        score[~tables.allowed] = -torch.inf
    score[row] = -torch.inf
    order = torch.argsort(score, descending=True, stable=True)[:k]
    order = order[score[order] > -torch.inf]
    index = order.numpy()
    return pl.DataFrame(
        {
            "rank": range(1, len(order) + 1),
            "item": tables.item_id[index],
            "score": score[order].numpy(),
            "title": tables.title[index],
            "reason": [by] * len(order),
        },
        schema_overrides={"rank": pl.Int64, "reason": pl.String},
    )


def _by_vectors(world: World, domain: str, row: int) -> Float[Tensor, " items"]:
    task = world.tasks[domain]
    z = world.z.get(task.graph)
    if z is None or z.item.shape[1] < 2:
        raise InputError(
            f"the model {world.name} has no vectors of items; give by='{CONTENT}'"
        )
    table = z.item if task.item is None else z.item[task.item]
    if not table[row].any():
        raise InputError(
            f"the model {world.name} knows nothing of the item, so its vector is 0; "
            f"give by='{CONTENT}'"
        )
    unit = torch.nn.functional.normalize(table, dim=1)
    return unit @ unit[row]


def _by_content(world: World, domain: str, row: int) -> Float[Tensor, " items"]:
    data = world.tasks[domain].data
    total = torch.zeros(data[ITEM].num_nodes, device=world.device)
    weight = torch.zeros_like(total)
    for modality, feature in item_features(data).items():
        share = world.options.weights.get(modality, 0.0)
        if share and feature.mask[row]:
            unit = torch.nn.functional.normalize(feature.values, dim=1)
            total += share * (unit @ unit[row])
            weight += share * feature.mask
    if not weight.any():
        raise InputError(
            "the item has no content that the run compares; give by='model'"
        )
    return torch.where(weight > 0, total / weight, -torch.inf)
