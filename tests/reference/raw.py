"""Catalogues in raw ids: no test depends on how rows are numbered."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from micrec_pyg.schema import DomainCatalogue, Interactions


def pairs(data: Interactions) -> list[tuple[str, str]]:
    """Return (user, item) of every interaction, in the order of the data."""
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    edges = zip(data.user.tolist(), data.item.tolist(), strict=True)
    return [(users[user], items[item]) for user, item in edges]


def by_item(
    catalogue: DomainCatalogue, values: Sequence[Any] | Tensor
) -> dict[str, Any]:
    """Return one value per item, by raw id in ascending order."""
    if isinstance(values, Tensor):
        values = values.tolist()
    found = zip(catalogue.interactions.items.ids, values, strict=True)
    return dict(sorted(found))


def ids(catalogue: DomainCatalogue) -> tuple[list[str], list[str]]:
    """Return the raw ids of users and of items, each in ascending order."""
    data = catalogue.interactions
    return sorted(data.users.ids), sorted(data.items.ids)
