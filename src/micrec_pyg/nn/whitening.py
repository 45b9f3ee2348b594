"""Content vectors of all domains, centred and whitened in one space."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

TINY = 1e-12
"""Variance, as a share of the mean square, below which there is nothing to see."""

Map = tuple[Float[Tensor, " width"], Float[Tensor, "width kept"]]
"""(mean, V) of ``fit_whitening``, both float32."""


def fit_whitening(
    vectors: Mapping[str, Float[Tensor, "_ width"]], *, dim: int, floor: float
) -> Map:
    """Return (mean, V): the principal axes of all vectors, scaled to like variances.

    Column k of V is v_k / sqrt(lambda_k + floor * mean(lambda)), with v_k the
    eigenvector of the k-th largest eigenvalue lambda_k of the covariance.

    Args:
        vectors: By domain, of the items that have the modality; in all at least one.
            All domains share one space, so they need one encoder.
        dim: Number of axes kept; at most the width is.
        floor: Share of the mean eigenvalue that is added to each, above 0: it keeps
            axes that are almost constant from becoming noise.
    """
    every = torch.cat([vectors[name] for name in sorted(vectors)]).double()
    mean = every.mean(0)
    centred = every - mean
    values, axes = torch.linalg.eigh(centred.T @ centred / len(every))
    values = values.clamp(min=0)  # rounding can leave -1e-17
    spread = values + floor * values.mean()
    # Axes without spread hold rounding alone: they are left out, not blown up.
    scale = torch.where(spread > TINY * every.square().mean(), spread.rsqrt(), 0.0)
    kept = (axes * scale).flip(1)[:, :dim]
    return mean.float(), kept.float().contiguous()


def whiten(
    vectors: Float[Tensor, "items width"],
    mean: Float[Tensor, " width"],
    axes: Float[Tensor, "width kept"],
) -> Float[Tensor, "items kept"]:
    """Return rows of length 1: (x - mean) V, normalised; zero where that is zero.

    Args:
        vectors: x.
        mean: Of ``fit_whitening``.
        axes: V of ``fit_whitening``.
    """
    return functional.normalize((vectors - mean) @ axes)
