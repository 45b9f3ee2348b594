"""Template aggregation: vectors for nodes from the templates they touch."""

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.constants import per_edge
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.edge_dropout import dropped_weights
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    ITEM,
    USER,
    DomainSize,
    EdgeType,
    Embeddings,
)


class TemplateEmbedding(nn.Module):
    r"""Node vectors from template vectors (INMO, arXiv 2107.05247, section 4).

    .. math::
        h_u = \rho_u^{\alpha/2 - 1} (g_U + \sum_{i \in N_u \cap T_I} e_i), \quad
        \rho_u = |N_u \cap T_I| + 1

    and the mirror image for items. A user sums template items, an item sums
    template users; a global token g joins every sum, so that a node without any
    edge still has a vector. alpha falls as decay^epoch: the exponent moves from
    -1/2 to -1.
    """

    alpha: Tensor

    def __init__(
        self,
        *,
        size: DomainSize,
        dim: int,
        std: float,
        dropout: float,
        alpha_decay: float,
        generator: torch.Generator,
    ) -> None:
        """Draw templates and tokens from N(0, std^2).

        Args:
            size: Number of templates of both sides.
            dim: Width d.
            std: Standard deviation of the start values.
            dropout: p, share of the terms of each sum that a training step drops.
            alpha_decay: Factor of alpha per epoch.
            generator: Draws the start values.
        """
        super().__init__()
        self.dropout, self.alpha_decay = dropout, alpha_decay
        self.sum = WeightedSum()

        def start(rows: int) -> nn.Parameter:
            drawn = torch.randn(rows, dim, generator=generator, device=generator.device)
            return nn.Parameter(std * drawn)

        self.user = start(size.num_user_templates)
        self.item = start(size.num_item_templates)
        self.user_token = start(1)
        self.item_token = start(1)
        # A buffer: the best epoch is restored with the alpha it was trained at.
        self.register_buffer("alpha", torch.ones(()))

    def anneal(self, epoch: int) -> None:
        """Set alpha for an epoch, counted from 0."""
        self.alpha.fill_(self.alpha_decay**epoch)

    def forward(
        self, data: HeteroData, domain: str, streams: RandomStreams | None
    ) -> Embeddings:
        """Return h of every node.

        Args:
            data: Any graph over the templates of training.
            domain: Names the random streams of the masks.
            streams: Draw the dropout masks; None drops nothing.
        """
        exponent = self.alpha / 2 - 1
        sides = (
            (USER, DESCRIBES_USER, self.item, self.user_token),
            (ITEM, DESCRIBES_ITEM, self.user, self.item_token),
        )
        user, item = (
            self._side(data, *side, exponent, domain, streams) for side in sides
        )
        return Embeddings(user=user, item=item)

    def _side(
        self,
        data: HeteroData,
        kind: str,
        edge_type: EdgeType,
        templates: Tensor,
        token: Tensor,
        exponent: Tensor,
        domain: str,
        streams: RandomStreams | None,
    ) -> Tensor:
        edges = data[edge_type]
        # The scale of a node joins the weights of its edges: no pass over vectors.
        scale: Tensor = data[kind].rho.pow(exponent)
        if streams is not None and self.dropout > 0:
            generator = streams("dropout", domain, kind)
            pair, scale = dropped_weights(
                edges.adj_t, edges.adj, edges.perm, scale, self.dropout, generator
            )
        else:
            values = per_edge(edges.adj_t, scale)
            pair = (values, values.index_select(0, edges.perm))
        described: Tensor = self.sum(
            templates, edges.adj_t, edges.adj, pair, outer=(scale, token.view(-1))
        )
        return described
