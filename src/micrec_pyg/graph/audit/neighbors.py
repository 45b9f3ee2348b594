"""Whether similarity edges follow from what a graph may know, and from nothing else.

Computed anew from the definition (method page, section 2), without the cache of
neighbour lists and without the code of the search. So an edge that rests on a hidden
interaction is found, and so is one of a stale cache.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.data.audit.finding import EXAMPLES, Finding
from micrec_pyg.graph.node_rows import places
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.schema import ITEM, SIMILAR_ITEM, SIMILAR_USER, USER, Domain, Feature

TOLERANCE = 1e-4
"""Between two similarities in float32; one hidden edge of a user shifts them more."""
SAMPLE = 500
"""Nodes whose best neighbours are searched anew; their edges are all checked."""
PAIRS = 2**15
"""Pairs at a time."""


class _Cosine:
    """The weighted mean of the cosines of the modalities that both nodes have."""

    def __init__(
        self, features: Mapping[str, Feature], weights: Mapping[str, float], size: int
    ) -> None:
        self.size = size
        self.parts = [
            (weights[name], functional.normalize(f.values, dim=1), f.mask.float())
            for name, f in features.items()
            if weights[name] > 0
        ]

    def pairs(self, a: Tensor, b: Tensor) -> Tensor:
        total = torch.zeros(len(a))
        weight = torch.zeros(len(a))
        for w, unit, mask in self.parts:
            total += w * (unit[a] * unit[b]).sum(dim=1)
            weight += w * mask[a] * mask[b]
        return torch.where(weight > 0, total / weight, 0.0)

    def rows(self, a: Tensor) -> Tensor:
        total = torch.zeros(len(a), self.size)
        weight = torch.zeros(len(a), self.size)
        for w, unit, mask in self.parts:
            total += w * (unit[a] @ unit.T)
            weight += w * mask[a, None] * mask
        return torch.where(weight > 0, total / weight, 0.0)


class _Common:
    """The cosine of two sets of edges: their common ends over the sizes' mean."""

    def __init__(self, edges: Tensor, shape: tuple[int, int]) -> None:
        degree = torch.bincount(edges[0], minlength=shape[0]).clamp(min=1)
        value = degree[edges[0]].double().rsqrt().float()
        self.matrix = torch.sparse_coo_tensor(
            edges, value, shape, check_invariants=False
        ).coalesce()

    def pairs(self, a: Tensor, b: Tensor) -> Tensor:
        both = self.matrix.index_select(0, a) * self.matrix.index_select(0, b)
        return torch.sparse.sum(both, dim=1).to_dense()

    def rows(self, a: Tensor) -> Tensor:
        some = self.matrix.index_select(0, a)
        product: Tensor = torch.sparse.mm(some, self.matrix.t())
        return product.to_dense()


_Similarity = _Cosine | _Common
"""s(a, b) of one node type: of pairs, and of some nodes with all."""


def check_neighbors(
    where: str,
    domain: Domain,
    data: HeteroData,
    allowed: Int[Tensor, "2 edges"],
    options: GraphOptions,
) -> list[Finding]:
    """Return a finding per side whose similarity edges rest on something else.

    Args:
        where: Names the graph.
        domain: Its features.
        data: The graph.
        allowed: The edges that it may know, in vocabulary indices.
        options: With which it was built.
    """
    if options.num_neighbors == 0:
        return []
    size = (len(domain.interactions.users), len(domain.interactions.items))
    edges = torch.stack(
        [
            places(data[kind].n_id, n)[ends]
            for kind, n, ends in zip((USER, ITEM), size, allowed, strict=True)
        ]
    )
    edges = edges[:, (edges >= 0).all(dim=0)]
    found = []
    vocabulary = domain.interactions
    for kind, edge_type, check, vocab, similarity in (
        (ITEM, SIMILAR_ITEM, "neighbors", vocabulary.items, _items),
        (USER, SIMILAR_USER, "user_features", vocabulary.users, _users),
    ):
        right = similarity(domain, data, edges, options)
        wrong = _wrong(data[edge_type].adj_t, right, kind, options)
        if not wrong.any():
            continue
        raw = vocab.ids.gather(data[kind].n_id[wrong][:EXAMPLES].numpy())
        found.append(
            Finding(
                check=check,
                error=True,
                where=where,
                count=int(wrong.sum()),
                message=f"{kind}s have similarity edges that do not follow from the "
                "item features and the edges known here: hidden interactions went "
                "into them, or the cache of neighbour lists is stale",
                examples=tuple(f"{kind} {each}" for each in raw),
            )
        )
    return found


def _wrong(
    adj_t: Tensor, right: _Similarity, kind: str, options: GraphOptions
) -> Bool[Tensor, " nodes"]:
    """Return the nodes whose similarity edges are not those of the definition."""
    num_nodes = adj_t.shape[0]
    count = adj_t.crow_indices().diff().long()
    row = torch.repeat_interleave(torch.arange(num_nodes), count)
    col, stored = adj_t.col_indices().long(), adj_t.values()
    wrong = torch.zeros(num_nodes, dtype=torch.bool)
    for chunk in torch.split(torch.arange(len(row)), PAIRS):
        s = right.pairs(row[chunk], col[chunk])
        wrong[row[chunk][(s - stored[chunk]).abs() > TOLERANCE]] = True

    k = options.neighbors_of(kind)
    wrong |= count > k
    sample = torch.linspace(0, num_nodes - 1, min(SAMPLE, num_nodes)).long().unique()
    s = right.rows(sample)
    if not options.knn_include_self:
        s[torch.arange(len(sample)), sample] = 0.0
    best = s.topk(min(k, num_nodes), dim=1).values.clamp(min=0)
    best = functional.pad(best, (0, k - best.shape[1]))
    place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    lists = torch.zeros(num_nodes, max(k, int(count.max())))
    lists[row, place] = stored
    given = lists[sample].sort(dim=1, descending=True).values[:, :k]
    wrong[sample[((best - given).abs() > TOLERANCE).any(dim=1)]] = True
    return wrong


def _items(
    domain: Domain, data: HeteroData, edges: Tensor, options: GraphOptions
) -> _Similarity:
    """Return the similarity of items."""
    nodes = data[ITEM].n_id
    if options.neighbors == "cooccurrence":
        return _Common(edges.flip(0), (len(nodes), data[USER].num_nodes))
    return _Cosine(_at(domain.features, nodes), options.weights, len(nodes))


def _users(
    domain: Domain, data: HeteroData, edges: Tensor, options: GraphOptions
) -> _Similarity:
    """Return the similarity of users: of the mean vectors of their known items."""
    num_users = data[USER].num_nodes
    if options.neighbors == "cooccurrence":
        return _Common(edges, (num_users, data[ITEM].num_nodes))
    means = {}
    for name, feature in _at(domain.features, data[ITEM].n_id).items():
        user, item = edges[:, feature.mask[edges[1]]]
        total = torch.zeros(num_users, feature.values.shape[1])
        total.index_add_(0, user, feature.values[item])
        mask = torch.bincount(user, minlength=num_users) > 0
        # a cosine does not ask by what a sum was divided
        means[name] = Feature(total, mask)
    return _Cosine(means, options.weights, num_users)


def _at(features: Mapping[str, Feature], nodes: Tensor) -> dict[str, Feature]:
    return {
        name: Feature(
            torch.where(f.mask[nodes, None], f.values[nodes].float(), 0.0),
            f.mask[nodes],
        )
        for name, f in features.items()
    }
