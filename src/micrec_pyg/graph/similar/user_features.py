"""User features: what the items that a user chose look like on average."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.schema import Feature


def mean_of_items(
    edges: Int[Tensor, "2 edges"], features: Mapping[str, Feature], num_users: int
) -> dict[str, Feature]:
    """Return per modality the mean vector of each user's items that have it.

    Method page, section 2. The raw vectors are averaged, not unit ones; a user
    none of whose items has the modality lacks it too.

    Args:
        edges: (user, item) pairs known at this stage, sorted by (user, item).
            Never validation or test edges.
        features: Item features by modality.
        num_users: Number of users.
    """
    return {
        modality: _mean(edges, feature, num_users)
        for modality, feature in features.items()
    }


def _mean(edges: Tensor, feature: Feature, num_users: int) -> Feature:
    user, item = edges[:, feature.mask[edges[1]]]
    bags = sparse_csr(user, item, torch.ones(len(user)), (num_users, len(feature.mask)))
    crow = bags.crow_indices()
    mean = functional.embedding_bag(
        bags.col_indices(), feature.values, crow, mode="mean", include_last_offset=True
    )
    return Feature(values=mean, mask=crow.diff() > 0)
