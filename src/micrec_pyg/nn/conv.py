"""The one message-passing operator: a weighted sum over neighbours."""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch_geometric.nn.conv import MessagePassing

from micrec_pyg.nn.spmm import spmm


class WeightedSum(MessagePassing):
    r"""Return :math:`x'_a = \sum_{b \in N(a)} w_{ab} x_b`.

    On a CSR matrix ``adj_t`` (rows are targets) this is one fused sparse product.
    ``propagate(edge_index, x=x, edge_weight=w, size=...)`` computes the same from
    an edge list, as any PyG layer does.
    """

    # PyG builds the signature of propagate() from this line, for want of a call:
    # propagate_type: (x: Tensor, edge_weight: Tensor)

    def __init__(self) -> None:
        """Make the operator; it has no parameters."""
        super().__init__(aggr="add")

    def forward(
        self,
        x: Float[Tensor, "sources dim"],
        adj_t: Float[Tensor, "targets sources"],
        adj: Float[Tensor, "sources targets"],
        values: tuple[Tensor, Tensor] | None = None,
        residual: bool = False,
        outer: tuple[Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "targets dim"]:
        """Return one sum per target.

        Args:
            x: Vectors of the sources.
            adj_t: CSR, one row per target.
            adj: Its transpose as CSR, for the gradient.
            values: Replace the weights of ``adj_t`` and of ``adj``.
            residual: Add x itself; sources and targets are the same nodes then.
            outer: A number per target, and a vector: their outer product is added.
        """
        # Not through propagate(): it would expand CSR to an edge list every time.
        return self.message_and_aggregate(adj_t, x, adj, values, residual, outer)

    def message_and_aggregate(
        self,
        adj_t: Tensor,
        x: Tensor,
        adj: Tensor,
        values: Any = None,  # PyG's inspector cannot read a union
        residual: bool = False,
        outer: Any = None,
    ) -> Tensor:
        """Return the fused sum."""
        return spmm(adj_t, x, adj, values, residual, outer)

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        """Return the messages of an edge list."""
        return edge_weight.view(-1, 1) * x_j
