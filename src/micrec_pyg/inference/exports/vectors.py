"""The vectors of a domain's nodes by raw id, where inner products are the scores."""

from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.inference.row_tables import TITLE
from micrec_pyg.inference.world import World
from micrec_pyg.models.base import Model
from micrec_pyg.schema import ITEM, USER, InputError


@dataclass(frozen=True, eq=False)
class DomainVectors:
    """The vectors of one domain, in the order of the graph that answers."""

    user: Float[Tensor, "users dim"]
    item: Float[Tensor, "items dim"]


def vectors_of(world: World, domain: str) -> DomainVectors:
    """Return the vectors whose inner products are the scores of a domain.

    Args:
        world: What is known.
        domain: Name.

    Raises:
        InputError: The model scores otherwise; the message says how.
    """
    if not has_vectors(world):
        raise InputError(
            f"the model {world.name} has no vectors to write: its scores are no inner "
            "products of a user's and an item's vector; micrec export parquet writes "
            "its lists, and micrec recommend asks it"
        )
    task = world.tasks[domain]
    z = world.z[task.graph]
    user, item = (
        (table if rows is None else table[rows]).detach()
        for table, rows in ((z.user, task.user), (z.item, task.item))
    )
    return DomainVectors(user=user.float().cpu(), item=item.float().cpu())


def has_vectors(world: World) -> bool:
    """Return whether the scores of a model are inner products of its vectors."""
    return type(world.model).scorer is Model.scorer


def item_table(world: World, domain: str) -> pl.DataFrame:
    """Return row, item, title, and the vector if there are vectors, of every item.

    Whatever is exported brings this table, so that none takes the place of another.
    """
    index = world.tasks[domain].data[ITEM].n_id.cpu().numpy()
    ids = world.domains[domain].interactions.items.ids.gather(index)
    title = world.texts[domain].gather(index).str.slice(0, TITLE)
    found = pl.DataFrame(
        {"row": pl.int_range(len(ids), eager=True), "item": ids, "title": title}
    )
    if not has_vectors(world):
        return found
    return found.with_columns(as_column(vectors_of(world, domain).item))


def user_table(world: World, domain: str) -> pl.DataFrame:
    """Return row, user and interactions of every user, in the order of the vectors."""
    store = world.tasks[domain].data[USER]
    ids = world.domains[domain].interactions.users.ids.gather(store.n_id.cpu().numpy())
    return pl.DataFrame(
        {
            "row": pl.int_range(len(ids), eager=True),
            "user": ids,
            "interactions": store.degree.cpu().numpy(),
        }
    )


def with_history(world: World, domain: str) -> Int[Tensor, " users"]:
    """Return the rows of the users who have a history in a domain."""
    rows: Tensor = world.tasks[domain].data[USER].degree.nonzero().flatten().cpu()
    return rows


def as_column(values: Float[Tensor, "rows dim"]) -> pl.Series:
    """Return vectors as a column of lists."""
    rows = torch.Tensor.numpy(values.contiguous())
    return pl.Series("vector", rows).arr.to_list()
