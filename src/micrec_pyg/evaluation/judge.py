"""One domain of a ranking task -> its metrics, per user and per group."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.groups import Group, Target, pools_of
from micrec_pyg.evaluation.list_metrics import (
    ItemFacts,
    catalogue_metrics,
    list_metrics,
)
from micrec_pyg.evaluation.metrics import per_user
from micrec_pyg.evaluation.rank import Scorer, rank_groups
from micrec_pyg.schema import ITEM, Embeddings, InputError, RankedLists

logger = logging.getLogger(__name__)

KEYS = {"domain": pl.String, "user_row": pl.Int64, "group": pl.String}
"""Columns of every frame, before the metrics."""


@dataclass(frozen=True, eq=False)
class DomainTask:
    """What is asked about one domain, in graph rows."""

    name: str
    data: HeteroData
    known: Int[Tensor, "2 _known"]
    """Pairs that are never recommended."""
    hidden: Int[Tensor, "2 _hidden"]
    """Pairs that a good ranking finds."""
    facts: ItemFacts
    groups: Sequence[Group]


@dataclass(frozen=True, eq=False)
class DomainReport:
    """Metrics of one domain; a group without a hidden pair is in neither part."""

    per_user: pl.DataFrame
    """A row per group and user: ``KEYS``, then a column per metric."""
    per_group: Mapping[str, Mapping[str, float | int]]
    """By group: the metrics of all its lists together, candidates and pairs."""


@dataclass(frozen=True, eq=False)
class _Judged:
    """The lists of one target, and what each is worth."""

    lists: RankedLists
    pairs: Int[Tensor, "2 _counted"]
    candidates: Bool[Tensor, " items"]
    values: pl.DataFrame


def judge(
    model: Scorer,
    z: Embeddings,
    task: DomainTask,
    *,
    ks: Sequence[int],
    batch_size: int,
) -> DomainReport:
    """Return the metrics of every group of one domain.

    Groups that share a target share its lists and hits: these are computed once.

    Raises:
        InputError: A cut-off does not fit the catalogue.
    """
    check_cut_offs(ks, task.name, task.data)
    judged = _judged(model, z, task, ks=ks, batch_size=batch_size)
    frames, per_group = [], {}
    for group in task.groups:
        if group.target in judged:
            own = judged[group.target]
            members = _members(group, own.lists.user)
            if members.any():
                frames.append(_frame(task.name, group.name, own, members))
                per_group[group.name] = _together(group, own, members, ks)
    if not frames:
        logger.warning("domain '%s' has no held-out pair, no report", task.name)
        return DomainReport(pl.DataFrame(schema=KEYS), {})
    return DomainReport(pl.concat(frames, how="diagonal"), per_group)


def check_cut_offs(ks: Sequence[int], domain: str, data: HeteroData) -> None:
    """Refuse cut-offs that no list of this domain could fill.

    Raises:
        InputError: There is none, or one is not in 1..number of items.
    """
    num_items = data[ITEM].num_nodes
    if not ks or min(ks) < 1 or max(ks) > num_items:
        raise InputError(
            f"domain '{domain}' has {num_items} items, but cut-offs {list(ks)} were "
            f"asked for; give at least one, each from 1 to {num_items}"
        )


def _judged(
    model: Scorer,
    z: Embeddings,
    task: DomainTask,
    *,
    ks: Sequence[int],
    batch_size: int,
) -> dict[Target, _Judged]:
    """Return the targets that a hidden pair counts for, ranked and judged."""
    counted = {group.target: group.target.hidden(task.hidden) for group in task.groups}
    counted = {target: pairs for target, pairs in counted.items() if pairs.shape[1]}
    sets = pools_of(task.data)
    # a set of all items is ranked as "all", not once more
    pool = {t: "all" if sets[t.pool] is None else t.pool for t in counted}
    lists = rank_groups(
        model,
        z,
        users=task.hidden[0].unique(),
        known=task.known,
        k=max(ks),
        candidates={name: sets[name] for name in pool.values()},
        batch_size=batch_size,
    )
    every = torch.ones_like(task.data[ITEM].train_row, dtype=torch.bool)
    found = {}
    for target, pairs in counted.items():
        mine = _of_users(lists[pool[target]], pairs[0])
        mask = sets[target.pool]
        candidates = every if mask is None else mask
        found[target] = _Judged(
            mine, pairs, candidates, _values(task, target, mine, pairs, ks)
        )
    return found


def _of_users(lists: RankedLists, users: Int[Tensor, " _"]) -> RankedLists:
    """Return the lists of these users alone."""
    rows = torch.isin(lists.user, users.to(lists.user.device))
    return RankedLists(lists.user[rows], lists.item[rows], lists.score[rows])


def _values(
    task: DomainTask,
    target: Target,
    lists: RankedLists,
    pairs: Int[Tensor, "2 _"],
    ks: Sequence[int],
) -> pl.DataFrame:
    """Return a row per list: the user, then every metric."""
    num_items = task.data[ITEM].num_nodes
    hits = per_user(lists, pairs, num_items=num_items, ks=ks)
    own = list_metrics(lists, task.facts, ks) if target.judges_lists else {}
    columns = {"user_row": lists.user, **hits, **own}
    frame = pl.DataFrame({name: v.cpu().numpy() for name, v in columns.items()})
    # what says nothing about a user must not make a mean NaN
    return frame.with_columns(pl.col(*own).fill_nan(None)) if own else frame


def _members(group: Group, users: Int[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
    """Return which of these users belong to the group."""
    if group.users is None:
        return torch.ones_like(users, dtype=torch.bool)
    return group.users.to(users.device)[users]


def _frame(
    domain: str, group: str, own: _Judged, members: Bool[Tensor, " rows"]
) -> pl.DataFrame:
    """Return the rows of one group."""
    rows = own.values.filter(pl.Series(members.cpu().numpy()))
    return rows.select(
        pl.lit(domain).alias("domain"),
        "user_row",
        pl.lit(group).alias("group"),
        pl.exclude("user_row"),
    )


def _together(
    group: Group,
    own: _Judged,
    members: Bool[Tensor, " rows"],
    ks: Sequence[int],
) -> dict[str, float | int]:
    """Return what holds for a group as a whole."""
    found: dict[str, float | int] = {}
    if group.target.judges_lists:
        lists = RankedLists(
            own.lists.user[members], own.lists.item[members], own.lists.score[members]
        )
        found.update(catalogue_metrics(lists, own.candidates, ks))
    found["candidates"] = int(own.candidates.sum())
    found["pairs"] = int(_members(group, own.pairs[0]).sum())
    return found
