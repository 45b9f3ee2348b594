"""Items that are like an item: by the model's vectors, else by content."""

from collections.abc import Callable

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.graph.similar.few import unit_rows
from micrec_pyg.inference.neighbors import item_features
from micrec_pyg.inference.people import item_place, item_row
from micrec_pyg.inference.world import World
from micrec_pyg.schema import ITEM, InputError

MODEL, CONTENT = "model", "content"


@torch.no_grad()
def similar(world: World, domain: str, item: str, *, k: int, by: str) -> pl.DataFrame:
    """Return the k most similar items of a domain, a row each.

    Args:
        world: What is known.
        domain: Of the items.
        item: Raw id.
        k: How many.
        by: ``model``, the cosine of the model's vectors; or ``content``.

    Raises:
        InputError: The item is unknown, the model has no vectors or none of the item,
            or the item has no content.
    """
    ways: dict[str, Callable[[World, str, str], Tensor]] = {
        MODEL: _by_vectors,
        CONTENT: _by_content,
    }
    if by not in ways:
        raise InputError(f"by={by}: give one of {', '.join(ways)}")
    score = ways[by](world, domain, item).cpu()
    tables = world.rows(domain)
    row = int(tables.item[item_place(world, domain, item)])
    if tables.allowed is not None:
        score[~tables.allowed] = -torch.inf
    if row >= 0:
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


def _by_vectors(world: World, domain: str, item: str) -> Float[Tensor, " items"]:
    row, task = item_row(world, domain, item), world.tasks[domain]
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


def _by_content(world: World, domain: str, item: str) -> Float[Tensor, " items"]:
    """Return the cosines of content; the item need not be in the model's graph."""
    data, place = world.tasks[domain].data, item_place(world, domain, item)
    mine = world.domains[domain].features
    total = torch.zeros(data[ITEM].num_nodes, device=world.device)
    weight = torch.zeros_like(total)
    for modality, feature in item_features(data).items():
        share = world.options.weights.get(modality, 0.0)
        if share and mine[modality].mask[place]:
            unit = unit_rows(feature.values)
            own = mine[modality].values[place].to(unit)
            total += share * (unit @ unit_rows(own[None])[0])
            weight += share * feature.mask
    if not weight.any():
        raise InputError(
            "the item has no content that the run compares; give by='model'"
        )
    return torch.where(weight > 0, total / weight, -torch.inf)
