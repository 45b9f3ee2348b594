"""Training on the part of a graph around a batch, for graphs larger than a device."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.sampler import EdgeSamplerInput, NeighborSampler
from torch_geometric.sampler.base import SubgraphType
from torch_geometric.typing import WITH_TORCH_SPARSE

from micrec_pyg.graph.norm import empty_csr, sparse_csr, transpose
from micrec_pyg.graph.to_pyg import edge_list
from micrec_pyg.models.base import Model
from micrec_pyg.nn.batch_rows import asked
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    Batch,
    EdgeType,
    InputError,
    Pool,
    Triplets,
)

WALKED = (INTERACTS, INTERACTED_BY, SIMILAR_USER, SIMILAR_ITEM)
"""Edge types whose neighbours are sampled; templates have no further neighbours."""

NODE_ATTRIBUTES = ("n_id", "train_row", "degree", "rho", "person")
"""What a sampled node keeps."""

Rows = TypeVar("Rows", Triplets, Pool)


class Neighborhoods:
    """For a batch, the graphs of the nodes that it asks about and of those around.

    PyG's ``NeighborSampler`` walks from the batch, hop by hop. Edges are all those
    between the nodes that it found (its ``induced``), with their weights of the whole
    graph; nodes keep their order. So with all neighbours of enough hops, one for each
    layer and one for similar nodes, a step is that of the whole graph. Template tables
    stay whole: they are parameters.
    """

    def __init__(
        self,
        graphs: Mapping[str, HeteroData],
        *,
        per_hop: Sequence[int],
        streams: RandomStreams,
    ) -> None:
        """Index the graphs, which stay where they are.

        Args:
            graphs: Of training, on the CPU.
            per_hop: Neighbours of a node, for each hop and edge type; -1 takes all.
            streams: A stream per graph draws; their device gets the parts.

        Raises:
            InputError: torch-sparse is not installed.
        """
        if not WITH_TORCH_SPARSE:
            raise InputError(
                "fit.neighbors_per_hop: torch-sparse is not installed, which samples "
                "neighbours; `make ext` builds it, or give fit.neighbors_per_hop=null"
            )
        self.graphs, self.streams = graphs, streams
        self.samplers = {
            name: NeighborSampler(
                _edge_lists(data),
                num_neighbors=list(per_hop),
                subgraph_type=SubgraphType.induced,
                is_sorted=True,
            )
            for name, data in graphs.items()
        }

    def __call__(self, batch: Batch) -> tuple[dict[str, HeteroData], Batch]:
        """Return the graphs around a batch, and the batch in their rows."""
        found, places = {}, {}
        for name, rows in asked(batch).items():
            nodes, edges = self._sampled(name, rows.user.cpu(), rows.item.cpu())
            part = _part(self.graphs[name], nodes, edges)
            found[name] = part.to(self.streams.device)
            places[name] = {kind: n.to(rows.user.device) for kind, n in nodes.items()}
        return found, _in_rows(batch, places)

    def _sampled(
        self, name: str, user: Tensor, item: Tensor
    ) -> tuple[dict[str, Tensor], dict[EdgeType, tuple[Tensor, Tensor, Tensor]]]:
        """Return the nodes of both kinds, ascending, and what joins them.

        Edges are (source, target, place in ``adj_t``), in rows of the nodes.
        """
        # the seeds of both kinds are given as pairs, so in equal number
        size = max(len(user), len(item))
        pairs = torch.arange(size)
        row = user[pairs % len(user)]
        col = item[pairs % len(item)] if len(item) else torch.zeros_like(row)
        stream = self.streams("neighborhood", name)
        seed = torch.randint(2**62, (), generator=stream, device=stream.device)
        with torch.random.fork_rng(devices=[]):
            # torch-sparse draws from the generator of the process
            torch.default_generator.manual_seed(int(seed))
            out = self.samplers[name].sample_from_edges(
                EdgeSamplerInput(None, row, col, input_type=INTERACTS)
            )
        nodes, rank = {}, {}
        for kind in (USER, ITEM):
            nodes[kind], order = out.node[kind].sort()
            rank[kind] = torch.empty_like(order)
            rank[kind][order] = torch.arange(len(order))
        edges = {
            kind: (rank[kind[0]][row], rank[kind[2]][out.col[kind]], out.edge[kind])
            for kind, row in out.row.items()
        }
        return nodes, edges


def check_can_sample(model: Model) -> None:
    """Refuse a model whose losses read a whole graph.

    Raises:
        InputError: The message names what to do.
    """
    if not model.reads_neighborhoods:
        raise InputError(
            f"fit.neighbors_per_hop: {type(model).__name__} reads the whole graph in "
            "every step; give fit.neighbors_per_hop=null, or a model such as lightgcn, "
            "inmo or micrec"
        )


def _edge_lists(data: HeteroData) -> HeteroData:
    """Return the edges that are walked, as PyG's sampler takes them."""
    found = HeteroData()
    for kind in (USER, ITEM):
        found[kind].num_nodes = data[kind].num_nodes
    for edge_type in WALKED:
        if data[edge_type].adj_t.values().numel():
            found[edge_type].edge_index = edge_list(data[edge_type].adj_t)[0]
    return found


def _part(
    data: HeteroData,
    nodes: Mapping[str, Int[Tensor, " _"]],
    edges: Mapping[EdgeType, tuple[Tensor, Tensor, Tensor]],
) -> HeteroData:
    """Return the graph of some nodes, as ``domain_graph`` makes one."""
    found = HeteroData()
    for kind, rows in nodes.items():
        found[kind].num_nodes = len(rows)
        for name in NODE_ATTRIBUTES:
            if name in data[kind]:  # items are no persons
                found[kind][name] = data[kind][name].index_select(0, rows)
    for edge_type in (INTERACTED_BY, SIMILAR_USER, SIMILAR_ITEM):
        shape = (len(nodes[edge_type[2]]), len(nodes[edge_type[0]]))
        values = data[edge_type].adj_t.values()
        if edge_type in edges:
            adj_t = _csr(*edges[edge_type], values, shape)
        else:
            adj_t = empty_csr(shape)
        _add(found, edge_type, adj_t)
    for edge_type in (DESCRIBES_USER, DESCRIBES_ITEM):
        template = edge_type[0]
        found[template].num_nodes = data[template].num_nodes
        found[template].n_id = data[template].n_id
        _add(found, edge_type, _rows_of(data[edge_type].adj_t, nodes[edge_type[2]]))
    to_users = found[INTERACTED_BY]
    back = torch.empty_like(to_users.perm)
    back[to_users.perm] = torch.arange(len(back))
    found[INTERACTS].adj_t, found[INTERACTS].perm = to_users.adj, back
    del to_users.adj
    return found


def _add(data: HeteroData, edge_type: EdgeType, adj_t: Tensor) -> None:
    data[edge_type].adj_t = adj_t
    data[edge_type].adj, data[edge_type].perm = transpose(adj_t)


def _csr(
    source: Tensor,
    target: Tensor,
    place: Tensor,
    values: Tensor,
    shape: tuple[int, int],
) -> Float[Tensor, "targets sources"]:
    order = torch.argsort(target * shape[1] + source)
    return sparse_csr(target[order], source[order], values[place[order]], shape)


def _rows_of(
    matrix: Float[Tensor, "rows columns"], rows: Int[Tensor, " asked"]
) -> Float[Tensor, "asked columns"]:
    """Return some rows of a CSR matrix, with all their columns."""
    crow = matrix.crow_indices().long()
    first = crow[rows]
    count = crow[rows + 1] - first
    row = torch.arange(len(rows)).repeat_interleave(count)
    place = torch.arange(len(row)) + (first - (count.cumsum(0) - count))[row]
    shape = (len(rows), matrix.shape[1])
    col = matrix.col_indices()[place].long()
    return sparse_csr(row, col, matrix.values()[place], shape)


def _in_rows(batch: Batch, places: Mapping[str, Mapping[str, Tensor]]) -> Batch:
    """Return a batch in rows of parts of the graphs.

    Args:
        batch: In rows of the whole graphs.
        places: By graph and kind, the rows that its part has, ascending.
    """

    def place(name: str, kind: str, rows: Tensor) -> Tensor:
        return torch.searchsorted(places[name][kind], rows.contiguous())

    def moved(given: Mapping[str, Rows]) -> dict[str, Rows]:
        return {
            name: replace(
                each,
                user=place(name, USER, each.user),
                pos=place(name, ITEM, each.pos),
                neg=place(name, ITEM, each.neg),
            )
            for name, each in given.items()
        }

    changed: dict[str, Any] = {
        "triplets": moved(batch.triplets),
        "negatives": moved(batch.negatives),
        "pool": moved(batch.pool),
        "overlap": {
            pair: torch.stack(
                [place(name, USER, row) for name, row in zip(pair, rows, strict=True)]
            )
            for pair, rows in batch.overlap.items()
        },
    }
    return replace(batch, **changed)
