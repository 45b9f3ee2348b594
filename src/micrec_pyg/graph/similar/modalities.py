"""The modalities that decide a similarity, with their weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from micrec_pyg.schema import Feature, InputError

BLOCK = 4096
"""Vectors that are checked at a time."""


@dataclass(frozen=True, eq=False)
class Modality:
    """One modality with a weight above zero."""

    name: str
    weight: float
    """Share of the similarity of two nodes that have everything."""
    values: Float[Tensor, "nodes width"]
    """float32, zero where the node lacks the modality."""
    mask: Bool[Tensor, " nodes"]

    def to(self, device: str) -> "Modality":
        """Return it on a device; no copy if it is there."""
        values, mask = self.values.to(device), self.mask.to(device)
        return Modality(self.name, self.weight, values, mask)


def weighted(
    features: Mapping[str, Feature], weights: Mapping[str, float]
) -> list[Modality]:
    """Return the modalities that count, by name, their weights summing to 1.

    A modality counts if its weight is above zero and at least one node has it.
    Vectors behind a False mask are never read.

    Raises:
        InputError: A modality has no weight, or a vector is not finite.
    """
    missing = sorted(set(features) - set(weights))
    if missing:
        raise InputError(
            f"no weight for modality {', '.join(missing)}: weights are known for "
            f"{', '.join(sorted(weights))}. Give +graph.modality_weights."
            f"{missing[0]}=0.3, or another share in [0, 1]; 0 leaves it out"
        )
    used = {
        name: feature
        for name, feature in sorted(features.items())
        if weights[name] > 0 and bool(feature.mask.any())
    }
    total = sum(weights[name] for name in used)
    return [
        Modality(name, weights[name] / total, _present(name, feature), feature.mask)
        for name, feature in used.items()
    ]


def _present(name: str, feature: Feature) -> Float[Tensor, "nodes width"]:
    values = feature.values.float()
    absent = (~feature.mask).nonzero().flatten().split(BLOCK)
    # else no copy: vectors may fill half the memory, or lie in a file
    if any(bool(values[rows].any()) for rows in absent):
        values = torch.where(feature.mask[:, None], values, 0.0)
    finite = [torch.isfinite(part).all(dim=1) for part in values.split(BLOCK)]
    broken = ~torch.cat(finite)
    if broken.any():
        raise InputError(
            f"modality {name}: {int(broken.sum())} vectors hold NaN or infinity; "
            "mark these nodes as lacking the modality, or encode them again"
        )
    return values
