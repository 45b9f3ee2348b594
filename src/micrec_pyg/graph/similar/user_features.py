"""User features: what the items that a user chose look like on average."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.schema import Feature
from micrec_pyg.storage.mapped import empty_table

BLOCK = 2**16
"""Users whose means are computed at a time."""


def mean_of_items(
    edges: Int[Tensor, "2 edges"],
    features: Mapping[str, Feature],
    num_users: int,
    folder: str | None = None,
) -> dict[str, Feature]:
    """Return per modality the mean vector of each user's items that have it.

    Method page, section 2. The raw vectors are averaged, not unit ones; a user
    none of whose items has the modality lacks it too.

    Args:
        edges: (user, item) pairs known at this stage, sorted by (user, item).
            Never validation or test edges.
        features: Item features by modality.
        num_users: Number of users.
        folder: Takes large tables, see ``empty_table``; None keeps all in memory.
    """
    return {
        modality: _mean(edges, feature, num_users, folder)
        for modality, feature in features.items()
    }


def _mean(
    edges: Tensor, feature: Feature, num_users: int, folder: str | None
) -> Feature:
    user, item = edges[:, feature.mask[edges[1]]]
    bags = sparse_csr(user, item, torch.ones(len(user)), (num_users, len(feature.mask)))
    crow, col = bags.crow_indices(), bags.col_indices()
    means = empty_table(num_users, feature.values.shape[1], folder)
    for first in range(0, num_users, BLOCK):
        bounds = crow[first : first + BLOCK + 1]
        means[first : first + BLOCK] = functional.embedding_bag(
            col[bounds[0] : bounds[-1]],
            feature.values,
            bounds - bounds[0],
            mode="mean",
            include_last_offset=True,
        )
    return Feature(values=means, mask=crow.diff() > 0)
