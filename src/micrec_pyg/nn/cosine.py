"""Cosines that a row of zeros cannot blow up.

A layer without a bias yet makes of missing content exactly 0. The gradient of its
cosine is that of a division by a tiny number, and Adam remembers it for long.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TINY = 1e-12
"""Least length that a row of other than zeros is divided by."""


def unit(x: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """Return rows of length 1; a row of zeros stays 0 and has no gradient."""
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    found: Tensor = x / length.clamp(min=TINY).masked_fill(length == 0, torch.inf)
    return found


def cosine_loss(
    first: Float[Tensor, "batch dim"],
    second: Float[Tensor, "batch dim"],
    counted: Bool[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    r"""Return :math:`1 - \mathrm{mean} \cos(a, b)`, over the rows of two tables.

    Args:
        first: a.
        second: b, likewise.
        counted: The rows over which the mean is; None are all. Of none it is 0.
    """
    far = 1 - (unit(first) * unit(second)).sum(1)
    if counted is None:
        return far.mean()
    return (far * counted).sum() / counted.sum().clamp(min=1)
