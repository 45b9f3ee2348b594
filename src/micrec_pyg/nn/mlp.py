"""Fully connected layers, their start values drawn from a generator of their own."""

import itertools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


class MLP(nn.Module):
    """Linear layers with an activation between them, and none after the last."""

    def __init__(
        self,
        widths: Sequence[int],
        *,
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        """Draw the layers.

        Args:
            widths: Of the input, of every hidden layer, and of the output.
            activation: Of every layer but the last.
            generator: Draws the start values.
        """
        super().__init__()
        self.activation = activation
        self.layers = nn.ModuleList(
            glorot(inputs, outputs, generator)
            for inputs, outputs in itertools.pairwise(widths)
        )

    def forward(self, x: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows out"]:
        """Return the output of the last layer."""
        return self.after_first(self.layers[0](x))

    def after_first(self, x: Float[Tensor, "*rows h"]) -> Float[Tensor, "*rows out"]:
        """Return the output of the last layer, given that of the first."""
        for layer in self.layers[1:]:
            x = layer(self.activation(x))
        return x


def glorot(
    inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True
) -> nn.Linear:
    """Return a linear layer with Glorot's uniform weights and a bias of zero."""
    layer = nn.Linear(inputs, outputs, bias=bias, device=generator.device)
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def dropout(
    x: Float[Tensor, "*shape"], p: float, generator: torch.Generator | None
) -> Float[Tensor, "*shape"]:
    """Return x, each number kept with probability 1 - p and divided by it, or 0.

    Args:
        x: Any numbers.
        p: In [0, 1).
        generator: Draws the mask; None, as in evaluation, drops nothing.
    """
    if generator is None or p == 0:
        return x
    drawn = torch.rand(x.shape, generator=generator, device=x.device)
    return x * drawn.ge_(p).div_(1 - p)
