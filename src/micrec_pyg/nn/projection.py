"""Projection into the space in which domains are compared."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """Linear - ReLU - Linear, d to d to d (MICRec, section 4.3).

    Deviation: the paper says two layers; their widths are our choice.
    """

    def __init__(self, *, dim: int, generator: torch.Generator) -> None:
        """Draw weights as ``nn.Linear`` does, from a generator of their own."""
        super().__init__()
        self.inner = _linear(dim, generator)
        self.outer = _linear(dim, generator)

    def forward(self, z: Float[Tensor, "users dim"]) -> Float[Tensor, "users dim"]:
        """Return the projected vectors."""
        projected: Tensor = self.outer(torch.relu(self.inner(z)))
        return projected


def _linear(dim: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(dim, dim, device=generator.device)
    bound = dim**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
