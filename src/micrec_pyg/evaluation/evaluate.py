"""A model and a ranking task -> metrics per user and group."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.groups import Group, groups_of, pools_of, shared_users
from micrec_pyg.evaluation.metrics import per_user
from micrec_pyg.evaluation.rank import Scorer, rank, rank_groups
from micrec_pyg.schema import (
    ITEM,
    USER,
    Embeddings,
    InputError,
    RankedLists,
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
            ``old_user_old_item`` is reported.

    Raises:
        InputError: A cut-off does not fit a catalogue.
        UnseenNodeError: The model cannot answer, and there is no fallback.
    """
    begin = time.perf_counter()
    with _evaluating(model):
        only_seen = False
        try:
            z = model(stage.graphs)
        except UnseenNodeError as error:
            if fallback is None:
                raise
            logger.warning("only seen users and items are ranked: %s", error)
            stage, only_seen = fallback, True
            z = model(stage.graphs)
        frames = {
            domain: _domain(
                model,
                z[domain],
                stage,
                domain,
                _wanted(stage, domain, every=groups, only_seen=only_seen),
                ks=ks,
                batch_size=batch_size,
            )
            for domain in stage.graphs
        }
    ranked = {domain: frame["user_row"].n_unique() for domain, frame in frames.items()}
    seconds = time.perf_counter() - begin
    return Report(
        per_user=frames,
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
        z = model(stage.graphs)
        for domain, data in stage.graphs.items():
            _check_cut_offs([k], domain, data)
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
    """Return {domain: {group: {metric: mean over users, "users": count}}}.

    This is the form of ``val`` and ``test`` in ``metrics.json``.
    """
    found: dict[str, dict[str, dict[str, float | int]]] = {}
    for domain, frame in report.per_user.items():
        means = frame.group_by("group", maintain_order=True).agg(
            pl.exclude("domain", "user_row", "group").mean(), pl.len().alias("users")
        )
        found[domain] = {row.pop("group"): row for row in means.to_dicts()}
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


def _wanted(
    stage: RankingStage, domain: str, *, every: bool, only_seen: bool
) -> list[Group]:
    if only_seen:
        return [Group(SEEN_ONLY)]
    if not every:
        return [Group("all")]
    data = stage.graphs[domain]
    return groups_of(data, shared_users(domain, data[USER].num_nodes, stage.overlap))


def _domain(
    model: Scorer,
    z: Embeddings,
    stage: RankingStage,
    domain: str,
    wanted: Sequence[Group],
    *,
    ks: Sequence[int],
    batch_size: int,
) -> pl.DataFrame:
    """Return the long frame of one domain; empty groups leave no row."""
    data = stage.graphs[domain]
    hidden = stage.hidden[domain].to(data[USER].train_row.device)
    _check_cut_offs(ks, domain, data)
    counted = {group: group.hidden(hidden) for group in wanted}
    counted = {group: pairs for group, pairs in counted.items() if pairs.shape[1]}
    sets = pools_of(data)
    lists = rank_groups(
        model,
        z,
        users=hidden[0].unique(),
        known=stage.known[domain],
        k=max(ks),
        candidates={group.pool: sets[group.pool] for group in counted},
        batch_size=batch_size,
    )
    frames = [
        _frame(domain, group.name, lists[group.pool], pairs, data[ITEM].num_nodes, ks)
        for group, pairs in counted.items()
    ]
    if not frames:
        logger.warning("domain '%s' has no held-out pair and is not reported", domain)
        return pl.DataFrame(schema={"domain": str, "user_row": int, "group": str})
    return pl.concat(frames)


def _frame(
    domain: str,
    group: str,
    lists: RankedLists,
    hidden: Int[Tensor, "2 _"],
    num_items: int,
    ks: Sequence[int],
) -> pl.DataFrame:
    """Return one row per user with hidden pairs in the group."""
    rows = torch.isin(lists.user, hidden[0].to(lists.user.device))
    mine = RankedLists(lists.user[rows], lists.item[rows], lists.score[rows])
    values = per_user(mine, hidden, num_items=num_items, ks=ks)
    columns = {"user_row": mine.user, **values}
    frame = pl.DataFrame({name: v.cpu().numpy() for name, v in columns.items()})
    return frame.select(
        pl.lit(domain).alias("domain"),
        "user_row",
        pl.lit(group).alias("group"),
        pl.exclude("user_row"),
    )


def _check_cut_offs(ks: Sequence[int], domain: str, data: HeteroData) -> None:
    """Refuse cut-offs that no list of this domain could fill."""
    num_items = data[ITEM].num_nodes
    if not ks or min(ks) < 1 or max(ks) > num_items:
        raise InputError(
            f"domain '{domain}' has {num_items} items, but cut-offs {list(ks)} were "
            f"asked for; give at least one, each from 1 to {num_items}"
        )
