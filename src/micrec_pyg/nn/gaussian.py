"""Normal distributions with a variance for every number of a vector."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LEAST_STD = 1e-6
"""Added to every standard deviation, whose logarithm must be finite."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """One distribution for each row: its mean, and its standard deviation above 0."""

    mean: Float[Tensor, "rows dim"]
    std: Float[Tensor, "rows dim"]

    def sample(self, noise: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        """Return the mean plus noise from N(0, 1) times the standard deviation."""
        return self.mean + self.std * noise


def gaussian(
    mean: Float[Tensor, "rows dim"], raw: Float[Tensor, "rows dim"]
) -> Gaussian:
    """Return the distributions with the softplus of ``raw`` as deviations."""
    return Gaussian(mean=mean, std=functional.softplus(raw) + LEAST_STD)


def standard_noise(
    like: Float[Tensor, "rows dim"], generator: torch.Generator
) -> Float[Tensor, "rows dim"]:
    """Return numbers from N(0, 1) in the shape of a table."""
    return torch.empty_like(like).normal_(generator=generator)


def divergence(q: Gaussian, p: Gaussian) -> Float[Tensor, " rows"]:
    r"""Return the Kullback-Leibler divergence of q from p, row by row.

    .. math::
        \sum_k \log \frac{\sigma'_k}{\sigma_k}
        + \frac{\sigma_k^2 + (\mu_k - \mu'_k)^2}{2 \sigma_k'^2} - \frac{1}{2}
    """
    ratio = (q.std / p.std).square()
    distance = ((q.mean - p.mean) / p.std).square()
    return (ratio + distance - ratio.log() - 1).sum(1) / 2


def from_standard(q: Gaussian) -> Float[Tensor, " rows"]:
    """Return the divergence of q from N(0, 1), row by row."""
    variance = q.std.square()
    return (variance + q.mean.square() - variance.log() - 1).sum(1) / 2
