"""Vectors of nodes from those of a few others, by attention."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from micrec_pyg.nn.mlp import glorot


class RelationAttention(nn.Module):
    r"""Return what key nodes say about others (IDCF, eqs. 4 to 6).

    .. math::
        y = W_o \Big[ \sum_k \mathrm{softmax}_k(Q_h x \cdot K_h p_k) K_h p_k \Big]_h

    with the heads h side by side.

    Deviation: the paper has a linear layer of each head before the last one, which is
    linear too; here they are one.
    """

    def __init__(self, *, dim: int, num_heads: int, generator: torch.Generator) -> None:
        """Draw the layers.

        Args:
            dim: Width of all vectors.
            num_heads: H.
            generator: Draws the start values.
        """
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key = (
            glorot(dim, num_heads * dim, generator, bias=False) for _ in range(2)
        )
        self.out = glorot(num_heads * dim, dim, generator, bias=False)

    def forward(
        self, x: Float[Tensor, "nodes dim"], keys: Float[Tensor, "keys dim"]
    ) -> Float[Tensor, "nodes dim"]:
        """Return y of every node.

        Args:
            x: Of the nodes.
            keys: p, the vectors of the key nodes.
        """
        queries, keys = (
            layer(each).unflatten(1, (self.num_heads, -1)).transpose(0, 1)
            for layer, each in ((self.query, x), (self.key, keys))
        )
        share = (queries @ keys.transpose(1, 2)).softmax(2)
        found: Tensor = self.out((share @ keys).transpose(0, 1).flatten(1))
        return found
