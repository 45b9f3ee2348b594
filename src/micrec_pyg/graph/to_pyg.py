"""A stage's graph -> the same graph as edge lists, for PyG's loaders and layers."""

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from micrec_pyg.schema import ITEM, USER, Domain


class ToEdgeIndex(BaseTransform):
    """Give every edge type of a stage's graph ``edge_index`` and ``edge_weight``.

    They take the place of ``adj_t``, ``adj`` and ``perm``. Row 0 of ``edge_index``
    holds sources and row 1 targets, sorted by (target, source); all attributes of
    nodes stay, item features among them. The graph that is given is not changed, and
    weights and node attributes are shared with it, not copied.
    """

    def __init__(self, domain: Domain | None = None) -> None:
        """Choose whether raw ids are added.

        Args:
            domain: The graph's domain. Its raw ids become ``user_ids`` and
                ``item_ids`` of the graph, numpy arrays of strings, one per row of
                the graph. Without it there are none.
        """
        self.domain = domain

    def forward(self, data: HeteroData) -> HeteroData:
        """Return the graph with edge lists; called with a copy of what is given."""
        for store in data.edge_stores:
            store.edge_index, store.edge_weight = edge_list(store.adj_t)
            for name in ("adj_t", "adj", "perm"):
                store.pop(name, None)
        if self.domain is not None:
            known = self.domain.interactions
            data.user_ids = _ids(known.users.ids, data[USER].n_id)
            data.item_ids = _ids(known.items.ids, data[ITEM].n_id)
        return data


def edge_list(
    adj_t: Float[Tensor, "targets sources"],
) -> tuple[Int[Tensor, "2 edges"], Float[Tensor, " edges"]]:
    """Return (source, target) of every non-zero of a CSR matrix, and its value.

    Args:
        adj_t: CSR, one row per target. The values that are returned are its own.
    """
    crow, col = adj_t.crow_indices(), adj_t.col_indices()
    edges = torch.empty(2, len(col), dtype=torch.int64, device=col.device)
    edges[0] = col
    targets = torch.arange(len(crow) - 1, device=col.device)
    edges[1] = targets.repeat_interleave(crow.diff(), output_size=len(col))
    return edges, adj_t.values()


def _ids(ids: pl.Series, n_id: Tensor) -> object:
    """Return the raw id of every row as an array, which PyG leaves as it is."""
    return ids.gather(n_id.numpy(force=True)).to_numpy()
