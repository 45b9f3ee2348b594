"""Domains and splits -> the stages of a run: train, validation, test.

The training graph is compact: nodes that training must not see are not in it.
The test graph holds everything known by then, under the same templates, so the
same parameters answer it.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.graph.check import check_graph
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.overlap import keep_links, links, people_of, random_pairs
from micrec_pyg.graph.stage_graphs import (
    StageGraphs,
    larger_graphs,
    rows_of,
    training_graphs,
)
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Domain,
    DomainSize,
    EdgeSplit,
    Pair,
    Task,
    TestStage,
    TrainStage,
    ValidStage,
    no_edges,
)

__all__ = [
    "GraphOptions",
    "check_graph",
    "domain_sizes",
    "test_stage",
    "train_stage",
    "valid_stage",
]

EVERY = frozenset({USER, ITEM})
"""Both kinds of nodes that can be new."""

Pairs = Mapping[str, Int[Tensor, "2 _"]]
"""By domain, in vocabulary indices."""


def train_stage(
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
) -> TrainStage:
    """Return the compact graphs of seen users and items, with training edges only.

    Raises:
        InputError: A domain has no training edge.
    """
    splits = _before_test(splits)
    person = _people(domains, splits, options)
    found, edges, labels = training_graphs(domains, splits, person, options)
    return TrainStage(
        graphs=found.graphs,
        labels=labels,
        overlap=links({n: data[USER].person for n, data in found.graphs.items()}),
        tasks={name: found.task(name, edges[name], no_edges()) for name in domains},
        person=person,
    )


def valid_stage(
    train: TrainStage,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
    *,
    answers: Collection[str] = EVERY,
) -> ValidStage:
    """Return the ranking task of selection, by the rule ``select`` of the splits.

    Under ``seen`` it stands on the very graphs of training, and validation edges with
    an unseen end are left out: these graphs cannot rank them. Under ``new`` the
    graphs grow as those of the test do, by the edges known at validation.

    Args:
        train: Of the same domains, splits and options.
        domains: By name.
        splits: By domain; what the test alone may know is not read.
        options: Of the graphs.
        answers: As in ``test_stage``.
    """
    splits = _before_test(splits)
    if all(split.select == "seen" for split in splits.values()):
        tasks = {
            name: replace(
                task, hidden=rows_of(splits[name].val, task.data, splits[name])
            )
            for name, task in train.tasks.items()
        }
        return ValidStage(train.graphs, tasks, true_overlap(domains, tasks), "seen")
    found = larger_graphs(
        train,
        domains,
        splits,
        options,
        known=lambda split: split.known_at_validation,
        answers=answers,
    )
    known = {name: split.known_at_validation for name, split in splits.items()}
    hidden = {name: split.val for name, split in splits.items()}
    tasks = _tasks(found, splits, known, hidden)
    return ValidStage(found.graphs, tasks, true_overlap(domains, tasks), "new")


def test_stage(
    train: TrainStage,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
    *,
    answers: Collection[str] = EVERY,  # noqa: PT028  # not a pytest function
) -> TestStage:
    """Return the ranking task of the test, over every user and item.

    Messages flow on all edges known at the test; templates are those of the training
    graph; neighbours are searched anew among all nodes. Rows are vocabulary indices,
    unless a kind of unseen nodes has no answer: these nodes and their pairs are left
    out, and the log says so.

    Args:
        train: Of the same domains, splits and options.
        domains: By name.
        splits: By domain.
        options: Of the graphs.
        answers: The kinds of unseen nodes that the model answers, of user and item.
    """
    found = larger_graphs(
        train,
        domains,
        splits,
        options,
        known=lambda split: split.known_at_test,
        answers=answers,
    )
    known = {
        name: torch.cat([split.known_at_test, split.silent, split.val], dim=1)
        for name, split in splits.items()
    }
    hidden = {name: split.test for name, split in splits.items()}
    tasks = _tasks(found, splits, known, hidden)
    return TestStage(found.graphs, tasks, true_overlap(domains, tasks))


test_stage.__test__ = False  # type: ignore[attr-defined]  # not a pytest function


def domain_sizes(train: TrainStage) -> dict[str, DomainSize]:
    """Return the shapes that a model's parameters take, per graph."""
    return {
        name: DomainSize(
            num_users=data[USER].num_nodes,
            num_items=data[ITEM].num_nodes,
            num_user_templates=data[USER_TEMPLATE].num_nodes,
            num_item_templates=data[ITEM_TEMPLATE].num_nodes,
            widths={
                name: data[ITEM][name].shape[1]
                for name in sorted(data[ITEM].keys())
                if f"{name}_mask" in data[ITEM]
            },
        )
        for name, data in train.graphs.items()
    }


def true_overlap(
    domains: Mapping[str, Domain], tasks: Mapping[str, Task]
) -> dict[Pair, Int[Tensor, "2 _"]]:
    """Return the rows of the users whom two domains share, whatever models are told."""
    if len(tasks) < 2:
        return {}
    people = people_of({n: domain.interactions.users for n, domain in domains.items()})
    return links({n: people[n][task.data[USER].n_id] for n, task in tasks.items()})


def _before_test(splits: Mapping[str, EdgeSplit]) -> dict[str, EdgeSplit]:
    """Return the splits without the edges that only the test may know."""
    return {
        name: replace(split, test=no_edges(), support=no_edges(), silent=no_edges())
        for name, split in splits.items()
    }


def _people(
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
) -> dict[str, Int[Tensor, " _"]]:
    """Return the person of every user, as models are told."""
    people = people_of({n: domain.interactions.users for n, domain in domains.items()})
    seen = {name: splits[name].seen_user for name in domains}
    people = keep_links(people, seen, ratio=options.overlap_ratio, seed=options.seed)
    if options.overlap == "random_pairs":
        people = random_pairs(people, seen, seed=options.seed)
    return people


def _tasks(
    found: StageGraphs, splits: Mapping[str, EdgeSplit], known: Pairs, hidden: Pairs
) -> dict[str, Task]:
    """Return the tasks of a stage, of the pairs whose two ends are in its graphs."""
    return {
        name: found.task(
            name,
            rows_of(known[name], data, splits[name]),
            rows_of(hidden[name], data, splits[name]),
        )
        for name, data in found.own.items()
    }
