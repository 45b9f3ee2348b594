"""A model and a ranking task -> metrics per user and group."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import CutOffs
from micrec_pyg.evaluation.answers import check_vectors, checked
from micrec_pyg.evaluation.block_size import BlockSize
from micrec_pyg.evaluation.groups import groups_of
from micrec_pyg.evaluation.judge import judge
from micrec_pyg.evaluation.list_metrics import item_facts
from micrec_pyg.models.base import Model
from micrec_pyg.schema import (
    ITEM,
    USER,
    Embeddings,
    RankingStage,
    Score,
    Task,
    TrainStage,
)


@dataclass(frozen=True, eq=False)
class Report:
    """Metrics of every user and group of a ranking task."""

    per_user: Mapping[str, pl.DataFrame]
    """By domain: domain, user_row, group, then a column per metric."""
    per_group: Mapping[str, Mapping[str, Mapping[str, float | int]]]
    """By domain and group: metrics of all lists together, candidates and pairs."""
    skipped: Mapping[str, int]
    """By domain: users without a held-out item, who are not ranked."""
    users_per_s: float
    """Ranked users per second of the whole evaluation."""


def evaluate(
    model: Model,
    stage: RankingStage,
    *,
    ks: CutOffs,
    batch_size: BlockSize,
    groups: bool,
    train: TrainStage | None = None,
) -> Report:
    """Return the metrics of every user who has held-out items.

    Args:
        model: Asked once for its embeddings of all graphs, and once per domain for
            its scores.
        stage: The ranking task, of nodes that the model answers.
        ks: Cut-offs.
        batch_size: Users ranked at once, or ``auto``.
        groups: Whether to report all groups of docs/metrics.md, or the widest alone:
            ``all``, unless nodes are left out.
        train: Popularity is read from its graphs; without it, from the edges of the
            stage between old nodes.

    Raises:
        InputError: A cut-off does not fit a catalogue.
        UnseenNodeError: The model has no answer for a node of the stage.
    """
    begin = time.perf_counter()
    found = {}
    with domain_scores(model, stage) as scores:
        for domain, score in scores:
            task, reported = stage.tasks[domain], groups_of(stage, domain)
            before = None if train is None else train.tasks[domain].data
            found[domain] = judge(
                score,
                domain,
                task,
                groups=reported if groups else reported[:1],
                facts=item_facts(task.data, before),
                ks=ks,
                batch_size=batch_size,
            )
    frames = {domain: report.per_user for domain, report in found.items()}
    ranked = {domain: frame["user_row"].n_unique() for domain, frame in frames.items()}
    seconds = time.perf_counter() - begin
    return Report(
        per_user=frames,
        per_group={domain: report.per_group for domain, report in found.items()},
        skipped={
            domain: stage.tasks[domain].data[USER].num_nodes - number
            for domain, number in ranked.items()
        },
        users_per_s=sum(ranked.values()) / seconds,
    )


def summary(report: Report) -> dict[str, dict[str, dict[str, float | int]]]:
    """Return {domain: {group: {metric: value, "users": count}}}.

    This is the form of ``val`` and ``test`` in ``metrics.json``. A metric per user
    is given as the mean over the users that have one; ``candidates`` and ``pairs``
    count what a group ranks and what it looks for. What is undefined is left out.
    """
    found: dict[str, dict[str, dict[str, float | int]]] = {}
    for domain, frame in report.per_user.items():
        means = frame.group_by("group", maintain_order=True).agg(
            pl.exclude("domain", "user_row", "group").mean(), pl.len().alias("users")
        )
        found[domain] = {}
        for row in means.to_dicts():
            group = row.pop("group")
            values = {**row, **report.per_group[domain][group]}
            found[domain][group] = {k: v for k, v in values.items() if v is not None}
    return found


@contextmanager
def domain_scores(
    model: Model, stage: RankingStage
) -> Iterator[Iterator[tuple[str, Score]]]:
    """Give each domain's scores in turn, without gradients and in evaluation mode."""
    with judged(model):
        z: Mapping[str, Embeddings] = model(stage.graphs)
        check_vectors(model, z, stage.graphs)
        yield (
            (domain, task_score(_scorer(model, task.graph, z, stage.graphs), task))
            for domain, task in stage.tasks.items()
        )


def _scorer(
    model: Model,
    name: str,
    z: Mapping[str, Embeddings],
    graphs: Mapping[str, HeteroData],
) -> Score:
    """Return the scores of the items of a graph, checked."""
    score = model.scorer(name, z, graphs)
    return checked(score, model, name, graphs[name][ITEM].num_nodes)


@contextmanager
def judged(model: Model) -> Iterator[None]:
    """Ask a model without gradients and in evaluation mode."""
    before = model.training
    model.train(False)
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


def task_score(score: Score, task: Task) -> Score:
    """Return a function of the rows of a task's own graph to the scores of its items.

    Args:
        score: Of the graph that the model read, which may hold other domains too.
        task: Says where the domain's nodes are in that graph.
    """
    user, item = task.user, task.item
    if user is None or item is None:
        return score

    def of_domain(rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
        return score(user[rows]).index_select(1, item)

    return of_domain
