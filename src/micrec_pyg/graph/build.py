"""Domains and splits -> the stages of a run: train, validation, test.

The training graph is compact: nodes that training must not see are not in it.
The test graph holds everything known by then, under the same templates, so the
same parameters answer it.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.check import check_graph
from micrec_pyg.graph.domain_graph import domain_graph
from micrec_pyg.graph.node_rows import Rows, all_rows, places, training_rows
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.overlap import shared_users
from micrec_pyg.graph.templates import choose
from micrec_pyg.graph.union import UnionGraphs, merge, union_graphs
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Domain,
    DomainSize,
    EdgeSplit,
    InputError,
    Pair,
    RandomStreams,
    TestStage,
    TrainStage,
    ValidStage,
)

__all__ = [
    "GraphOptions",
    "check_graph",
    "domain_sizes",
    "test_stage",
    "train_stage",
    "valid_stage",
]

logger = logging.getLogger(__name__)


def train_stage(
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
) -> TrainStage:
    """Return the compact graphs of seen users and items, with training edges only.

    Raises:
        InputError: A domain has no training edge.
    """
    own = _of_domains(options)
    graphs: dict[str, HeteroData] = {}
    labels = {}
    for name, domain in domains.items():
        graphs[name], labels[name] = _training_graph(domain, splits[name], own)
    overlap = _overlap(domains, graphs)
    if not options.union:
        return TrainStage(graphs=graphs, labels=labels, overlap=overlap)
    merged = merge(domains, splits)
    data, _ = _training_graph(merged.domain, merged.split, options)
    return TrainStage(
        graphs=union_graphs(graphs, merged, data), labels=labels, overlap=overlap
    )


def valid_stage(train: TrainStage, splits: Mapping[str, EdgeSplit]) -> ValidStage:
    """Return the ranking task of selection, on the very graphs of training.

    Validation edges with an unseen end are left out: this graph cannot rank them.
    """
    hidden = {}
    for name, data in train.graphs.items():
        split = splits[name]
        user, item = split.val
        seen = split.seen_user[user] & split.seen_item[item]
        hidden[name] = _in_rows(
            name, split.val[:, seen], data[USER].n_id, data[ITEM].n_id, split
        )
    return ValidStage(
        graphs=train.graphs, known=train.labels, hidden=hidden, overlap=train.overlap
    )


def test_stage(
    train: TrainStage,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
) -> TestStage:
    """Return the ranking task of the test, over every user and item.

    Messages flow on training and support edges; templates are those of the
    training graph; neighbours are searched anew among all nodes. Rows are
    vocabulary indices.
    """
    own = _of_domains(options)
    graphs: Mapping[str, HeteroData] = {
        name: _test_graph(domain, splits[name], train.graphs[name], own)
        for name, domain in domains.items()
    }
    overlap = _overlap(domains, graphs)
    if isinstance(train.graphs, UnionGraphs):
        merged = merge(domains, splits)
        data = _test_graph(merged.domain, merged.split, train.graphs.data, options)
        graphs = union_graphs(graphs, merged, data)
    known, hidden = {}, {}
    for name in domains:
        split = splits[name]
        known[name] = torch.cat(
            [split.train, split.support, split.silent, split.val], dim=1
        )
        hidden[name] = split.test
    return TestStage(graphs=graphs, known=known, hidden=hidden, overlap=overlap)


test_stage.__test__ = False  # type: ignore[attr-defined]  # not a pytest function


def domain_sizes(train: TrainStage) -> dict[str, DomainSize]:
    """Return the shapes that a model's parameters take, per domain."""
    return {
        name: DomainSize(
            num_users=data[USER].num_nodes,
            num_items=data[ITEM].num_nodes,
            num_user_templates=data[USER_TEMPLATE].num_nodes,
            num_item_templates=data[ITEM_TEMPLATE].num_nodes,
        )
        for name, data in train.graphs.items()
    }


def _of_domains(options: GraphOptions) -> GraphOptions:
    """Return the options of the domains' own graphs.

    Where a union stands in for them no model reads them: neighbours would be for
    nothing.
    """
    return replace(options, num_neighbors=0) if options.union else options


def _training_graph(
    domain: Domain, split: EdgeSplit, options: GraphOptions
) -> tuple[HeteroData, Int[Tensor, "2 _"]]:
    """Return the graph of the seen nodes, and the training edges in its rows."""
    name = domain.name
    users, items = training_rows(split.seen_user), training_rows(split.seen_item)
    labels = _in_rows(name, split.train, users.n_id, items.n_id, split)
    if labels.shape[1] == 0:
        raise InputError(
            f"domain {name} has no training interaction: check its files, the "
            "filters and the split"
        )
    user_templates, item_templates = _templates(name, labels, users, items, options)
    data = domain_graph(
        domain,
        labels,
        users=users,
        items=items,
        user_templates=user_templates,
        item_templates=item_templates,
        options=options,
    )
    _log_neighbors(domain, options)
    return data, labels


def _test_graph(
    domain: Domain, split: EdgeSplit, trained: HeteroData, options: GraphOptions
) -> HeteroData:
    """Return the graph of all nodes, under the templates of the training graph."""
    return domain_graph(
        domain,
        torch.cat([split.train, split.support], dim=1),
        users=all_rows(split.seen_user),
        items=all_rows(split.seen_item),
        user_templates=trained[USER_TEMPLATE].n_id,
        item_templates=trained[ITEM_TEMPLATE].n_id,
        options=options,
    )


def _templates(
    name: str,
    edges: Tensor,
    users: Rows,
    items: Rows,
    options: GraphOptions,
) -> tuple[Int[Tensor, " user_templates"], Int[Tensor, " item_templates"]]:
    """Return the vocabulary indices of the templates of both sides."""
    streams = RandomStreams(options.seed)
    user_rows, item_rows = choose(
        edges,
        (len(users.n_id), len(items.n_id)),
        ratio=options.template_ratio,
        metric=options.template_metric,
        generators=(
            streams("templates", name, USER),
            streams("templates", name, ITEM),
        ),
    )
    return users.n_id[user_rows], items.n_id[item_rows]


def _in_rows(
    name: str, edges: Tensor, user_id: Tensor, item_id: Tensor, split: EdgeSplit
) -> Int[Tensor, "2 edges"]:
    """Return edges of vocabulary indices as edges of graph rows."""
    rows = torch.stack(
        [
            places(user_id, len(split.seen_user))[edges[0]],
            places(item_id, len(split.seen_item))[edges[1]],
        ]
    )
    outside = int((rows < 0).any(0).sum())
    if outside:
        raise ValueError(
            f"domain {name}: {outside} training edges have an end that the split "
            "marks as unseen; a split must keep them for support, val or test"
        )
    return rows


def _overlap(
    domains: Mapping[str, Domain], graphs: Mapping[str, HeteroData]
) -> dict[Pair, Int[Tensor, "2 _"]]:
    return shared_users(
        {name: domain.interactions.users for name, domain in domains.items()},
        {name: data[USER].n_id for name, data in graphs.items()},
    )


def _log_neighbors(domain: Domain, options: GraphOptions) -> None:
    """Say what decides the neighbours, and if ``w`` is without effect."""
    if options.num_neighbors == 0:
        return
    if options.neighbors == "cooccurrence":
        logger.info("domain %s: neighbours by co-occurrence alone", domain.name)
        return
    weights = options.weights
    used = [m for m in sorted(domain.features) if weights[m] > 0]
    if not used:
        logger.info("domain %s: no modality, no similarity edges", domain.name)
    elif len(used) == 1:
        logger.info("domain %s: %s alone, w has no effect", domain.name, used[0])
    else:
        logger.info("domain %s: neighbours by %s", domain.name, " + ".join(used))
