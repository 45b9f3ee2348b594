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
        heads = self.num_heads
        said = self.key(keys).unflatten(1, (heads, -1)).transpose(0, 1)
        # Keys are few and nodes are many: the layers of queries and outputs are
        # multiplied into the keys, and all heads are one product.
        asked = said @ self.query.weight.unflatten(0, (heads, -1))
        told = said @ self.out.weight.T.unflatten(0, (heads, -1))
        share = (x @ asked.flatten(0, 1).T).unflatten(1, (heads, -1)).softmax(2)
        found: Tensor = share.flatten(1) @ told.flatten(0, 1)
        return found
