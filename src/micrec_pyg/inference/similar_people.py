"""The users whom a person is most like, and what a person takes from them."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.similar.few import Compared, few_neighbors
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.graph.similar.user_features import mean_of_items
from micrec_pyg.inference.neighbors import item_features
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.schema import USER, Feature


@dataclass(frozen=True, eq=False)
class People:
    """The users of a graph, with what a person takes from those alike."""

    k: int
    aggregation: str
    temperature: float
    vectors: Float[Tensor, "users dim"]
    there: Compared
    items: dict[str, Feature]
    """Features of the graph's items, of which the mean compares people."""

    @classmethod
    def of(
        cls,
        data: HeteroData,
        there: Compared,
        vectors: Float[Tensor, "users dim"],
        neighbor: NeighborAggregation,
        options: GraphOptions,
    ) -> "People | None":
        """Return the users of a graph; None where nobody takes anything from them.

        Args:
            data: The graph.
            there: What its users are compared by.
            vectors: What is taken.
            neighbor: How.
            options: Those of the graph.
        """
        k, items = options.neighbors_of(USER), item_features(data)
        if not k:
            return None
        way, heat = neighbor.aggregation, neighbor.temperature
        return cls(k, way, heat, vectors.detach(), there, items)

    def refined(
        self, h: Float[Tensor, "people dim"], edges: Int[Tensor, "2 _"]
    ) -> Float[Tensor, "people dim"]:
        """Return h' of people, as ``NeighborAggregation`` defines it.

        Args:
            h: Their vectors.
            edges: Distinct (person, item row) pairs, sorted.
        """
        lists = alike(edges, len(h), self.items, self.there, k=self.k)
        valid = (lists.index >= 0).float()
        taken = self.vectors[lists.index.clamp(min=0)]
        told = (taken * self._weights(lists, valid)[..., None]).sum(1)
        if self.aggregation == "mean":
            h = h / (valid.sum(1, keepdim=True) + 1)
        return h + told

    def _weights(
        self, lists: NeighborLists, valid: Float[Tensor, "people k"]
    ) -> Float[Tensor, "people k"]:
        """Return the factor of each of the users alike."""
        if self.aggregation == "weighted":
            return lists.similarity
        if self.aggregation == "mean":
            return valid / (valid.sum(1, keepdim=True) + 1)
        value = lists.similarity
        if self.aggregation == "softmax":
            value = ((value - value[:, :1]) / self.temperature).exp() * valid
        total = value.sum(1, keepdim=True)
        return value / torch.where(total > 0, total, 1.0)


def alike(
    edges: Int[Tensor, "2 _"],
    count: int,
    items: dict[str, Feature],
    there: Compared,
    *,
    k: int,
) -> NeighborLists:
    """Return the users with the most similar histories, by content.

    Args:
        edges: Distinct (person, item row) pairs, sorted.
        count: How many people there are.
        items: Features of the items.
        there: What the users are compared by.
        k: How many.
    """
    mine = mean_of_items(edges, items, count)
    asked = [
        replace(m, values=mine[m.name].values, mask=mine[m.name].mask)
        for m in there.modalities
    ]
    return few_neighbors(Compared.of(asked), there, k=k)
