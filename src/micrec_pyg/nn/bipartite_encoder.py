"""The variational bipartite graph encoder of DisenCDR and of CDRIB."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.nn.gaussian import Gaussian, gaussian
from micrec_pyg.nn.means import TOWARDS, mean_along
from micrec_pyg.nn.mlp import dropout as dropped
from micrec_pyg.nn.mlp import glorot
from micrec_pyg.schema import ITEM, USER

SLOPE = 0.1
"""Of the leaky rectifier below 0, that of both papers' code."""


class TwoHops(nn.Module):
    r"""Let nodes of one kind read their own kind, two hops away.

    .. math::
        h_b = \delta(V \bar x_{N_b} + v), \quad
        x'_a = W [\delta(U \bar h_{N_a} + u) ; x_a] + w

    The bars are means over the neighbours, 0 of none; :math:`\delta` is the leaky
    rectifier. Every output has a U and a W of its own, and all share h.
    """

    def __init__(
        self, dim: int, *, num_outputs: int, generator: torch.Generator
    ) -> None:
        """Draw the weights.

        Args:
            dim: Width of x, h and every output.
            num_outputs: Outputs.
            generator: Draws the start values.
        """
        super().__init__()
        self.there = glorot(dim, dim, generator)
        self.back = nn.ModuleList(
            glorot(dim, dim, generator) for _ in range(num_outputs)
        )
        self.join = nn.ModuleList(
            glorot(2 * dim, dim, generator) for _ in range(num_outputs)
        )

    def forward(
        self, x: Float[Tensor, "nodes dim"], data: HeteroData, kind: str
    ) -> list[Float[Tensor, "nodes dim"]]:
        """Return the outputs of every node.

        Args:
            x: Vectors of the nodes of a kind.
            data: The graph at hand.
            kind: ``user`` or ``item``.
        """
        other = {USER: ITEM, ITEM: USER}[kind]
        to_other, to_own = data[TOWARDS[other]].adj_t, data[TOWARDS[kind]].adj_t
        h = self.there(mean_along(to_other, x, to_own))
        mean = mean_along(to_own, functional.leaky_relu(h, SLOPE), to_other)
        return [
            join(torch.cat([functional.leaky_relu(back(mean), SLOPE), x], dim=1))
            for back, join in zip(self.back, self.join, strict=True)
        ]


def two_hops(dim: int, num_layers: int, generator: torch.Generator) -> nn.ModuleList:
    """Return layers with one output, but the last one, which has two."""
    outputs = [1] * (num_layers - 1) + [2]
    return nn.ModuleList(
        TwoHops(dim, num_outputs=count, generator=generator) for count in outputs
    )


class BipartiteEncoder(nn.Module):
    """Layers of ``TwoHops``, rectified, and of the last one a distribution."""

    def __init__(
        self, dim: int, *, num_layers: int, dropout: float, generator: torch.Generator
    ) -> None:
        """Draw the layers.

        Args:
            dim: Width of all vectors.
            num_layers: Layers, the last one included; 1 or more.
            dropout: Share of the numbers before each layer that training drops.
            generator: Draws the start values.
        """
        super().__init__()
        self.dropout = dropout
        self.layers = two_hops(dim, num_layers, generator)

    def forward(
        self,
        x: Float[Tensor, "nodes dim"],
        data: HeteroData,
        kind: str,
        generator: torch.Generator | None,
    ) -> tuple[list[Float[Tensor, "nodes dim"]], Gaussian]:
        """Return the outputs of all layers but the last, and the distribution.

        Args:
            x: Vectors of the nodes of a kind.
            data: The graph at hand.
            kind: ``user`` or ``item``.
            generator: Draws what is dropped; None drops nothing.
        """
        layers = []
        for layer in self.layers[:-1]:
            x = functional.relu(
                layer(dropped(x, self.dropout, generator), data, kind)[0]
            )
            layers.append(x)
        last = self.layers[-1](dropped(x, self.dropout, generator), data, kind)
        return layers, gaussian(*last)
