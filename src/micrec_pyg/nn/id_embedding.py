"""A vector of its own for every node that training saw."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.per_domain import per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, DomainSize, Embeddings, UnseenNodeError

Unseen = Literal["error", "zero"]


def id_embeddings(
    sizes: Mapping[str, DomainSize],
    *,
    dim: int,
    std: float,
    unseen: Unseen,
    streams: RandomStreams,
) -> nn.ModuleDict:
    """Return the tables of every domain; arguments as in ``IdEmbedding``.

    Args:
        sizes: Rows of the training graphs, by domain.
        dim: Width d.
        std: Standard deviation of the start values.
        unseen: What becomes of unseen nodes.
        streams: Draw the start values, a stream per domain.
    """
    return per_domain(
        sizes,
        lambda domain, size: IdEmbedding(
            size=size,
            dim=dim,
            std=std,
            unseen=unseen,
            generator=streams("init", domain),
        ),
    )


class IdEmbedding(nn.Module):
    """A table of user and one of item vectors, found by ``train_row``."""

    def __init__(
        self,
        *,
        size: DomainSize,
        dim: int,
        std: float,
        unseen: Unseen,
        generator: torch.Generator,
    ) -> None:
        """Draw both tables from N(0, std^2).

        Args:
            size: Rows of the training graph.
            dim: Width d.
            std: Standard deviation of the start values.
            unseen: ``error`` refuses nodes that training did not see; ``zero``
                starts them at zero, for propagation to fill.
            generator: Draws the start values.
        """
        super().__init__()
        self.unseen = unseen
        self.user = nn.Parameter(_normal(size.num_users, dim, std, generator))
        self.item = nn.Parameter(_normal(size.num_items, dim, std, generator))

    def training_rows(self) -> Embeddings:
        """Return the vectors of the training graph's nodes in its order: no copy."""
        return Embeddings(user=self.user, item=self.item)

    def forward(self, data: HeteroData) -> Embeddings:
        """Return the vectors of every node of the graph, e.

        Raises:
            UnseenNodeError: A node is unseen and ``unseen`` is ``error``.
        """
        return Embeddings(
            user=self._rows(self.user, data[USER].train_row, USER),
            item=self._rows(self.item, data[ITEM].train_row, ITEM),
        )

    def _rows(self, table: Tensor, row: Tensor, kind: str) -> Tensor:
        unseen = row < 0
        count = int(unseen.sum())
        if not count:
            return table.index_select(0, row)
        if self.unseen == "error":
            raise UnseenNodeError(
                f"{count} {kind} nodes were not in the training graph, and this model "
                "has no vector for them; use an inductive model such as inmo or micrec"
            )
        return table.index_select(0, row.clamp(min=0)) * ~unseen.view(-1, 1)


def _normal(rows: int, dim: int, std: float, generator: torch.Generator) -> Tensor:
    """Return start values, drawn where the generator lives."""
    return std * torch.randn(rows, dim, generator=generator, device=generator.device)
