"""The graphs of one stage: every domain's own, and what a model reads."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.domain_graph import domain_graph, log_neighbors
from micrec_pyg.graph.node_rows import Rows, all_rows, places, training_rows
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.templates import choose
from micrec_pyg.graph.union import Merged, merge, people_in_union, rows_in_union
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.run_warnings import warn
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Domain,
    EdgeSplit,
    InputError,
    Task,
    TrainStage,
)

logger = logging.getLogger(__name__)

Edges = Int[Tensor, "2 _"]


@dataclass(frozen=True, eq=False)
class StageGraphs:
    """The graphs of one stage."""

    own: Mapping[str, HeteroData]
    """By domain. Beside a union without similarity edges: no model reads them."""
    graphs: Mapping[str, HeteroData]
    """By name, what a model reads: ``own``, or the union alone."""
    merged: Merged | None
    """What the union was made of, if there is one."""
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By domain: the kinds of nodes whose new ones are missing."""

    def task(self, domain: str, known: Edges, hidden: Edges) -> Task:
        """Return the task of a domain; the pairs are in rows of its own graph."""
        data = self.own[domain]
        left_out = self.left_out.get(domain, frozenset())
        if self.merged is None:
            return Task(domain, data, known, hidden, left_out=left_out)
        ((name, union),) = self.graphs.items()
        rows = rows_in_union(self.merged, domain, data, union)
        return Task(name, data, known, hidden, rows[USER], rows[ITEM], left_out)


def training_graphs(
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    person: Mapping[str, Int[Tensor, " _"]],
    options: GraphOptions,
) -> tuple[StageGraphs, dict[str, Edges], dict[str, Edges]]:
    """Return the graphs of seen nodes, and the training edges in their rows.

    The edges are given twice: by domain in rows of its own graph, and by the name of
    each graph that a model reads.

    Raises:
        InputError: A domain has no training edge.
    """
    own, edges = {}, {}
    for name, domain in domains.items():
        own[name], edges[name] = _training_graph(
            domain, splits[name], person[name], _of_domains(options)
        )
    if not options.union:
        return StageGraphs(own, own, None), edges, edges
    merged = merge(domains, splits)
    union = merged.domain.name
    data, labels = _training_graph(
        merged.domain, merged.split, people_in_union(merged, person), options
    )
    return StageGraphs(own, {union: data}, merged), edges, {union: labels}


def larger_graphs(
    train: TrainStage,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
    *,
    known: Callable[[EdgeSplit], Edges],
    answers: Collection[str],
) -> StageGraphs:
    """Return the graphs of all nodes, under the templates of the training graphs.

    Args:
        train: Of the same domains, splits and options.
        domains: By name.
        splits: By domain.
        options: Of the graphs.
        known: Returns the edges on which messages flow.
        answers: Kinds of nodes whose new ones are in the graphs; those of other kinds
            are left out, and the edges that touch them.
    """
    merged = merge(domains, splits) if options.union else None
    own, left_out = {}, {}
    for name, domain in domains.items():
        asked = splits[name] if merged is None else merged.split
        left_out[name] = _unanswered(asked, answers)
        own[name] = _larger_graph(
            domain,
            splits[name],
            known(splits[name]),
            person=train.person[name],
            trained=train.tasks[name].data,
            options=_of_domains(options),
            left_out=left_out[name],
        )
    _log_left_out(splits, left_out)
    if merged is None:
        return StageGraphs(own, own, None, left_out)
    union = merged.domain.name
    data = _larger_graph(
        merged.domain,
        merged.split,
        known(merged.split),
        person=people_in_union(merged, train.person),
        trained=train.graphs[union],
        options=options,
        left_out=_unanswered(merged.split, answers),
    )
    return StageGraphs(own, {union: data}, merged, left_out)


def rows_of(edges: Edges, data: HeteroData, split: EdgeSplit) -> Edges:
    """Return edges of vocabulary indices in rows of a graph.

    Those with an end that is not in the graph are left out.
    """
    rows = _in_rows(edges, data[USER].n_id, data[ITEM].n_id, split)
    return rows[:, (rows >= 0).all(0)]


def _in_rows(edges: Edges, users: Tensor, items: Tensor, split: EdgeSplit) -> Edges:
    """Return edges of vocabulary indices as places in n_id; -1 where an end has none.

    ``users`` and ``items`` are the n_id of both sides.
    """
    user = places(users, len(split.seen_user))[edges[0]]
    item = places(items, len(split.seen_item))[edges[1]]
    return torch.stack([user, item])


def _of_domains(options: GraphOptions) -> GraphOptions:
    """Return the options of the domains' own graphs.

    Where a union stands in for them no model reads them: neighbours would be for
    nothing.
    """
    return replace(options, num_neighbors=0) if options.union else options


def _training_graph(
    domain: Domain,
    split: EdgeSplit,
    person: Int[Tensor, " users"],
    options: GraphOptions,
) -> tuple[HeteroData, Edges]:
    """Return the graph of the seen nodes, and the training edges in its rows."""
    name = domain.name
    users, items = training_rows(split.seen_user), training_rows(split.seen_item)
    labels = _in_rows(split.train, users.n_id, items.n_id, split)
    _check_labels(name, labels)
    user_templates, item_templates = _templates(name, labels, users, items, options)
    data = domain_graph(
        domain,
        labels,
        users=users,
        items=items,
        person=person,
        user_templates=user_templates,
        item_templates=item_templates,
        options=options,
    )
    log_neighbors(domain, options)
    return data, labels


def _larger_graph(
    domain: Domain,
    split: EdgeSplit,
    edges: Edges,
    *,
    person: Int[Tensor, " users"],
    trained: HeteroData,
    options: GraphOptions,
    left_out: Collection[str],
) -> HeteroData:
    """Return the graph of all nodes but those that are left out."""
    users, items = (
        training_rows(seen) if kind in left_out else all_rows(seen)
        for kind, seen in _sides(split)
    )
    rows = _in_rows(edges, users.n_id, items.n_id, split)
    return domain_graph(
        domain,
        rows[:, (rows >= 0).all(0)],
        users=users,
        items=items,
        person=person,
        user_templates=trained[USER_TEMPLATE].n_id,
        item_templates=trained[ITEM_TEMPLATE].n_id,
        options=options,
    )


def _unanswered(split: EdgeSplit, answers: Collection[str]) -> frozenset[str]:
    """Return the kinds of nodes with new ones that a model does not answer."""
    return frozenset(
        kind
        for kind, seen in _sides(split)
        if kind not in answers and not bool(seen.all())
    )


def _sides(split: EdgeSplit) -> list[tuple[str, Bool[Tensor, " _"]]]:
    """Return both kinds of nodes, and which of them are seen."""
    return [(USER, split.seen_user), (ITEM, split.seen_item)]


def _templates(
    name: str,
    edges: Edges,
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


def _check_labels(name: str, labels: Edges) -> None:
    """Refuse a domain without training edges, and edges of unseen nodes."""
    if labels.shape[1] == 0:
        raise InputError(
            f"domain {name} has no training interaction: check its files, the "
            "filters and the split"
        )
    outside = int((labels < 0).any(0).sum())
    if outside:
        raise ValueError(
            f"domain {name}: {outside} training edges have an end that the split "
            "marks as unseen; a split must keep them for support, val or test"
        )


def _log_left_out(
    splits: Mapping[str, EdgeSplit], left_out: Mapping[str, Collection[str]]
) -> None:
    """Say in one line which new nodes a model does not answer."""
    missing = [
        f"{int((~seen).sum())} {kind}s of {name}"
        for name, kinds in left_out.items()
        for kind, seen in _sides(splits[name])
        if kind in kinds
    ]
    if missing:
        warn(
            logger,
            "no answer",
            "the model has no answer for new nodes and is not ranked on them: %s are "
            "left out",
            ", ".join(missing),
        )
