"""A vector of its own for every node that training saw, and a start for the others."""

from collections.abc import Mapping
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.spmm import product
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    DomainSize,
    EdgeType,
    Embeddings,
    UnseenNodeError,
)

Unseen = Literal["error", "zero", "mean", "content"]
"""What a node that training did not see gets; see ``IdEmbedding``."""

SIMILAR: Mapping[str, EdgeType] = {USER: SIMILAR_USER, ITEM: SIMILAR_ITEM}


def answered(unseen: Unseen) -> frozenset[str]:
    """Return the kinds of unseen nodes that a model with such tables answers."""
    return frozenset() if unseen == "error" else frozenset({USER, ITEM})


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
        unseen: What unseen nodes get.
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


def training_rows(tables: nn.ModuleDict, domain: str) -> Embeddings:
    """Return the vectors of a training graph's nodes, in its order: no copy.

    Args:
        tables: Of ``id_embeddings``.
        domain: Of the graph.
    """
    return cast(IdEmbedding, tables[module_key(domain)]).training_rows()


class IdEmbedding(nn.Module):
    """A table of user and one of item vectors, found by ``train_row``.

    A node that training did not see has no row. What it gets is a choice:

    =======  ==================================================================
    error    nothing: a graph with such a node is refused
    zero     0, for propagation to fill
    mean     the mean row of the trained table of its kind
    content  the mean row of those of its K similar nodes that training saw; 0
             where there is none
    =======  ==================================================================

    Similar nodes are those of the graph: by content, where a user's is the mean of the
    user's items, so a user without any starts at 0. A graph without lists of similar
    nodes of a kind, as with ``max_user_neighbors`` 0, has 0 for that kind.

    Deviation: unseen nodes among the K are skipped and nothing takes their place, so a
    mean may be over fewer than K.
    """

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
            unseen: What unseen nodes get.
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

        What unseen nodes get has no gradient.

        Raises:
            UnseenNodeError: A node is unseen and ``unseen`` is ``error``.
        """
        return Embeddings(
            user=self._rows(self.user, data, USER),
            item=self._rows(self.item, data, ITEM),
        )

    def _rows(
        self, table: Float[Tensor, "rows dim"], data: HeteroData, kind: str
    ) -> Float[Tensor, "nodes dim"]:
        """Return the vectors of every node of a kind."""
        row = data[kind].train_row
        seen = row >= 0
        count = int((~seen).sum())
        if not count:
            return table.index_select(0, row)
        if self.unseen == "error":
            raise UnseenNodeError(
                f"{count} {kind} nodes were not in the training graph, and this model "
                "has no vector for them; give unseen=zero, mean or content, or use an "
                "inductive model such as inmo or micrec"
            )
        known: Tensor = table.index_select(0, row.clamp(min=0)) * seen.view(-1, 1)
        if self.unseen == "zero":
            return known
        if self.unseen == "mean":
            return torch.where(seen.view(-1, 1), known, table.detach().mean(0))
        alike = _mean_of_seen(known.detach(), seen, data[SIMILAR[kind]].adj_t)
        return torch.where(seen.view(-1, 1), known, alike)


def _mean_of_seen(
    known: Float[Tensor, "nodes dim"],
    seen: Bool[Tensor, " nodes"],
    similar: Float[Tensor, "nodes nodes"],
) -> Float[Tensor, "nodes dim"]:
    """Return the mean vector of the seen nodes among those similar to each, 0 of none.

    Args:
        known: Vectors; those of unseen nodes are zero.
        seen: Which nodes training saw.
        similar: CSR [node, similar node].
    """
    counted = torch.cat([known, seen.to(known.dtype).view(-1, 1)], dim=1)
    total = product(similar, torch.ones_like(similar.values()), counted)
    return total[:, :-1] / total[:, -1:].clamp(min=1)


def _normal(rows: int, dim: int, std: float, generator: torch.Generator) -> Tensor:
    """Return start values, drawn where the generator lives."""
    return std * torch.randn(rows, dim, generator=generator, device=generator.device)
