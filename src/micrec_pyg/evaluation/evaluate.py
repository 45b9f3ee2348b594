"""A model and a ranking task -> metrics per user and group."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import polars as pl
import torch
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.embed import embed
from micrec_pyg.evaluation.groups import Group, Target, groups_of
from micrec_pyg.evaluation.judge import DomainTask, check_cut_offs, judge
from micrec_pyg.evaluation.list_metrics import item_facts
from micrec_pyg.evaluation.metrics import per_user
from micrec_pyg.evaluation.rank import Scorer, rank
from micrec_pyg.schema import (
    ITEM,
    USER,
    Embeddings,
    InputError,
    RankingStage,
    UnseenNodeError,
    ValidStage,
)

logger = logging.getLogger(__name__)

SEEN_ONLY = "old_user_old_item"
"""The one group that a model without an answer for new nodes is reported in."""


@runtime_checkable
class RankingModel(Scorer, Protocol):
    """A ``models.base.Model``, as far as an evaluation can see it."""

    training: bool

    def __call__(self, graphs: Mapping[str, HeteroData]) -> Mapping[str, Embeddings]:
        """Return the embeddings of every domain."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Switch between training and evaluation."""
        ...


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
    model: RankingModel,
    stage: RankingStage,
    *,
    ks: Sequence[int],
    batch_size: int,
    groups: bool,
    fallback: RankingStage | None = None,
) -> Report:
    """Return the metrics of every user who has held-out items.

    Args:
        model: Asked once for its embeddings of all graphs.
        stage: The ranking task.
        ks: Cut-offs.
        batch_size: Users ranked at once.
        groups: Whether to report all groups of docs/metrics.md, or ``all`` alone.
        fallback: The same task reduced to the nodes of the training graph, for
            models that cannot answer others: then only the group
            ``old_user_old_item`` is reported. Popularity is read from its graphs.

    Raises:
        InputError: A cut-off does not fit a catalogue.
        UnseenNodeError: The model cannot answer, and there is no fallback.
    """
    begin = time.perf_counter()
    with _evaluating(model):
        only_seen = False
        try:
            z = embed(model, stage.graphs)
        except UnseenNodeError as error:
            if fallback is None:
                raise
            logger.warning("only seen users and items are ranked: %s", error)
            stage, only_seen = fallback, True
            z = embed(model, stage.graphs)
        tasks = _tasks(stage, fallback, every=groups, only_seen=only_seen)
        found = {
            task.name: judge(model, z[task.name], task, ks=ks, batch_size=batch_size)
            for task in tasks
        }
    frames = {domain: report.per_user for domain, report in found.items()}
    ranked = {domain: frame["user_row"].n_unique() for domain, frame in frames.items()}
    seconds = time.perf_counter() - begin
    return Report(
        per_user=frames,
        per_group={domain: report.per_group for domain, report in found.items()},
        skipped={d: stage.graphs[d][USER].num_nodes - n for d, n in ranked.items()},
        users_per_s=sum(ranked.values()) / seconds,
    )


def validate(
    model: RankingModel, stage: ValidStage, *, k: int, batch_size: int
) -> dict[str, dict[str, float]]:
    """Return {domain: {metric: mean over users}} for the group ``all``.

    Raises:
        InputError: A domain has nothing to validate on, or k does not fit it.
    """
    means: dict[str, dict[str, float]] = {}
    with _evaluating(model):
        z = embed(model, stage.graphs)
        for domain, data in stage.graphs.items():
            check_cut_offs([k], domain, data)
            hidden = stage.hidden[domain]
            if hidden.shape[1] == 0:
                raise InputError(
                    f"domain '{domain}': no validation pair between users and items "
                    "of the training graph; give validation a larger share of the "
                    "split, or leave the domain out"
                )
            lists = rank(
                model,
                z[domain],
                users=hidden[0].unique(),
                known=stage.known[domain],
                k=k,
                candidates=None,
                batch_size=batch_size,
            )
            values = per_user(lists, hidden, num_items=data[ITEM].num_nodes, ks=[k])
            means[domain] = {name: float(v.mean()) for name, v in values.items()}
    return means


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
def _evaluating(model: RankingModel) -> Iterator[None]:
    """Run the block without gradients and in evaluation mode."""
    before = model.training
    model.train(False)
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


def _tasks(
    stage: RankingStage, trained: RankingStage | None, *, every: bool, only_seen: bool
) -> Iterator[DomainTask]:
    """Yield what is asked about each domain."""
    for domain, data in stage.graphs.items():
        if only_seen:
            groups = [Group(SEEN_ONLY, Target())]
        else:
            groups = groups_of(stage, domain) if every else [Group("all", Target())]
        before = None if trained is None else trained.graphs[domain]
        yield DomainTask(
            name=domain,
            data=data,
            known=stage.known[domain],
            hidden=stage.hidden[domain].to(data[USER].train_row.device),
            facts=item_facts(data, before),
            groups=groups,
        )
