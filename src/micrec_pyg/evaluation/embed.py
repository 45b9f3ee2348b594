"""A model and the graphs of a ranking task -> the embeddings of every domain."""

from collections.abc import Callable, Mapping

from torch_geometric.data import HeteroData

from micrec_pyg.graph.union import UnionGraphs
from micrec_pyg.schema import Embeddings


def embed(
    model: Callable[[Mapping[str, HeteroData]], Mapping[str, Embeddings]],
    graphs: Mapping[str, HeteroData],
) -> Mapping[str, Embeddings]:
    """Return the embeddings of each domain's nodes, also where one graph holds all.

    Raises:
        UnseenNodeError: The model cannot represent a node of the graphs.
    """
    if not isinstance(graphs, UnionGraphs):
        return model(graphs)
    z = model({graphs.name: graphs.data})
    return graphs.embeddings(z[graphs.name])
