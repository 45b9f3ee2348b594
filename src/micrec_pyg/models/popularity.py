"""Popularity: every user is offered what most users took."""

from collections.abc import Mapping

from torch_geometric.data import HeteroData

from micrec_pyg.models.base import Model
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTS, USER, DomainSize, Embeddings


class Popularity(Model):
    """Score an item by its number of interactions in the graph at hand.

    It has no parameters, and new items count with the edges they bring along.
    """

    def __init__(
        self, *, sizes: Mapping[str, DomainSize], streams: RandomStreams
    ) -> None:
        """Make the model; sizes and streams are part of every model's call."""
        super().__init__()

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return 1 for every user and the degree of every item, d = 1."""
        return {domain: _count(data) for domain, data in graphs.items()}


def _count(data: HeteroData) -> Embeddings:
    degree = data[INTERACTS].adj_t.crow_indices().diff().float().view(-1, 1)
    return Embeddings(user=degree.new_ones(data[USER].num_nodes, 1), item=degree)
