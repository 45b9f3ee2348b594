"""One domain of a ranking task -> its metrics, per user and per group."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.block_size import BlockSize, users_at_once
from micrec_pyg.evaluation.divided import rank_groups
from micrec_pyg.evaluation.groups import Group, Scope, pools_of
from micrec_pyg.evaluation.list_metrics import (
    ItemFacts,
    catalogue_metrics,
    list_metrics,
)
from micrec_pyg.evaluation.metrics import accuracy_metrics
from micrec_pyg.schema import ITEM, USER, InputError, RankedLists, Score, Task

logger = logging.getLogger(__name__)

KEYS = {"domain": pl.String, "user_row": pl.Int64, "group": pl.String}
"""Columns of every frame, before the metrics."""


@dataclass(frozen=True, eq=False)
class DomainReport:
    """Metrics of one domain; a group without a hidden pair is in neither part."""

    per_user: pl.DataFrame
    """A row per group and user: ``KEYS``, then a column per metric."""
    per_group: Mapping[str, Mapping[str, float | int]]
    """By group: the metrics of all its lists together, candidates and pairs."""


@dataclass(frozen=True, eq=False)
class _Judged:
    """The lists of one scope, and what each is worth."""

    lists: RankedLists
    pairs: Int[Tensor, "2 _counted"]
    candidates: Bool[Tensor, " items"]
    values: pl.DataFrame


def judge(
    score: Score,
    domain: str,
    task: Task,
    *,
    groups: Sequence[Group],
    facts: ItemFacts,
    ks: Sequence[int],
    batch_size: BlockSize,
) -> DomainReport:
    """Return the metrics of every group of one domain.

    Groups that share a scope share its lists and hits: these are computed once.

    Args:
        score: Scores the items of the domain for its users, in rows of ``task.data``.
        domain: Its name.
        task: What is known and what is looked for.
        groups: Reported.
        facts: Of the domain's items.
        ks: Cut-offs.
        batch_size: Users ranked at once, or ``auto``.

    Raises:
        InputError: A cut-off does not fit the catalogue.
    """
    check_cut_offs(ks, domain, task.data)
    scopes = [group.scope for group in groups]
    judged = _judged(score, domain, task, scopes, facts, ks=ks, batch_size=batch_size)
    frames, per_group = [], {}
    for group in groups:
        if group.scope in judged:
            own = judged[group.scope]
            members = _members(group, own.lists.user)
            if members.any():
                frames.append(_frame(domain, group.name, own, members))
                per_group[group.name] = _together(group, own, members, ks)
    if not frames:
        logger.warning("domain '%s' has no held-out pair, no report", domain)
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
    score: Score,
    domain: str,
    task: Task,
    scopes: Sequence[Scope],
    facts: ItemFacts,
    *,
    ks: Sequence[int],
    batch_size: BlockSize,
) -> dict[Scope, _Judged]:
    """Return the scopes that a hidden pair counts for, ranked and judged."""
    counted = {scope: scope.hidden(task.hidden) for scope in scopes}
    counted = {scope: pairs for scope, pairs in counted.items() if pairs.shape[1]}
    sets = pools_of(task.data)
    # a set of all items is ranked as "all", not once more
    pool = {t: "all" if sets[t.pool] is None else t.pool for t in counted}
    users = task.hidden[0].unique()
    lists = rank_groups(
        score,
        users=users,
        n_id=task.data[USER].n_id[users],
        known=task.known,
        k=max(ks),
        candidates={name: sets[name] for name in pool.values()},
        batch_size=users_at_once(batch_size, task.data[ITEM].num_nodes, users.device),
        domain=domain,
    )
    every = torch.ones_like(task.data[ITEM].train_row, dtype=torch.bool)
    found = {}
    for scope, pairs in counted.items():
        mine = _of_users(lists[pool[scope]], pairs[0])
        mask = sets[scope.pool]
        described = facts if scope.judges_lists else None
        found[scope] = _Judged(
            mine,
            pairs,
            every if mask is None else mask,
            _values(mine, pairs, described, len(every), ks),
        )
    return found


def _of_users(lists: RankedLists, users: Int[Tensor, " _"]) -> RankedLists:
    """Return the lists of these users alone."""
    rows = torch.isin(lists.user, users.to(lists.user.device))
    return RankedLists(lists.user[rows], lists.item[rows], lists.score[rows])


def _values(
    lists: RankedLists,
    pairs: Int[Tensor, "2 _"],
    facts: ItemFacts | None,
    num_items: int,
    ks: Sequence[int],
) -> pl.DataFrame:
    """Return a row per list: the user, then every metric; without facts, of hits."""
    hits = accuracy_metrics(lists, pairs, num_items=num_items, ks=ks)
    own = {} if facts is None else list_metrics(lists, facts, ks)
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
    if group.scope.judges_lists:
        lists = RankedLists(
            own.lists.user[members], own.lists.item[members], own.lists.score[members]
        )
        found.update(catalogue_metrics(lists, own.candidates, ks))
    found["candidates"] = int(own.candidates.sum())
    found["pairs"] = int(_members(group, own.pairs[0]).sum())
    return found
