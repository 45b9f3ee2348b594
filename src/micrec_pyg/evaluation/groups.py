"""Groups of users and items that metrics are reported for.

Old means part of the training graph (``train_row`` >= 0), new means not. What
each group ranks and counts is tabled in docs/metrics.md.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import INTERACTS, ITEM, USER, Pair, RankingStage

BANDS: Mapping[str, tuple[float, float]] = {
    "1_2": (1, 2),
    "3_5": (3, 5),
    "6_10": (6, 10),
    "11_": (11, math.inf),
}
"""Number of edges in the evaluated graph, both ends included."""

COMPARABLE: Mapping[frozenset[str], tuple[str, ...]] = {
    frozenset({USER}): ("old_user", "old_user_old_item", "old_user_new_item"),
    frozenset({ITEM}): ("old_item", "old_user_old_item", "new_user_old_item"),
    frozenset({USER, ITEM}): ("old_user_old_item",),
}
"""By the kinds whose new nodes are left out: the groups that are as they were, with
the same users, candidates and hidden pairs; the widest first."""


@dataclass(frozen=True, eq=False)
class Scope:
    """What is ranked, and which hidden pairs count; groups of users share one."""

    pool: str = "all"
    """Name of the candidate set, a key of ``pools_of``."""
    items: Bool[Tensor, " items"] | None = None
    """Hidden pairs count only with these items; None means all."""

    @property
    def judges_lists(self) -> bool:
        """Return whether lists differ from those of ``all`` by more than their users.

        Where only the pairs that count are restricted, they do not: nothing can be
        said about such lists that ``all`` does not say.
        """
        return self.items is None or self.pool != "all"

    def hidden(self, pairs: Int[Tensor, "2 _"]) -> Int[Tensor, "2 _"]:
        """Return the hidden pairs that count."""
        return pairs if self.items is None else pairs[:, self.items[pairs[1]]]


@dataclass(frozen=True, eq=False)
class Group:
    """Whose lists are judged, and how."""

    name: str
    scope: Scope
    users: Bool[Tensor, " users"] | None = None
    """Users of the group; None means all."""


def pools_of(data: HeteroData) -> dict[str, Bool[Tensor, " items"] | None]:
    """Return the candidate sets of a domain by name; None means all items.

    A set that turns out to hold every item is None, so that it costs no copy.
    """
    old = data[ITEM].train_row >= 0
    sets = {"old": old, "new": ~old, "zero": item_degree(data) == 0}
    return {"all": None, **{n: None if m.all() else m for n, m in sets.items()}}


def groups_of(stage: RankingStage, domain: str) -> list[Group]:
    """Return the groups of one domain, the widest first; some may be empty.

    That is ``all``, unless nodes are left out of the task: then only the groups that
    do not miss them are given.
    """
    task = stage.tasks[domain]
    found = _every_group(stage, domain)
    if not task.left_out:
        return found
    by_name = {group.name: group for group in found}
    return [by_name[name] for name in COMPARABLE[task.left_out]]


def _every_group(stage: RankingStage, domain: str) -> list[Group]:
    data = stage.tasks[domain].data
    every = Scope()
    old_user, old_item = data[USER].train_row >= 0, data[ITEM].train_row >= 0
    users = {"old": old_user, "new": ~old_user}
    scopes = {"old": Scope("old", old_item), "new": Scope("new", ~old_item)}
    found = [Group("all", every)]
    found += [Group(f"{who}_user", every, mask) for who, mask in users.items()]
    found += [Group(f"{what}_item", scope) for what, scope in scopes.items()]
    found += [
        Group(f"{who}_user_{what}_item", scope, mask)
        for who, mask in users.items()
        for what, scope in scopes.items()
    ]
    found += _item_degrees(data)
    found += _user_histories(data, every, active_elsewhere(stage, domain))
    shared = shared_users(domain, data[USER].num_nodes, stage.overlap)
    shared = shared.to(old_user.device)
    if shared.any():
        found.append(Group("overlap_user", every, shared))
        found.append(Group("single_domain_user", every, ~shared))
    return found + _modalities(data)


def shared_users(
    domain: str, num_users: int, overlap: Mapping[Pair, Int[Tensor, "2 _"]]
) -> Bool[Tensor, " {num_users}"]:
    """Return which users of the domain another domain has too."""
    shared = torch.zeros(num_users, dtype=torch.bool)
    for pair, rows in overlap.items():
        if domain in pair:
            shared[rows[pair.index(domain)].cpu()] = True
    return shared


def active_elsewhere(stage: RankingStage, domain: str) -> Bool[Tensor, " users"]:
    """Return which users of the domain have an edge in another domain's graph."""
    data = stage.tasks[domain].data
    active = torch.zeros_like(data[USER].train_row, dtype=torch.bool)
    for pair, rows in stage.overlap.items():
        if domain in pair:
            here = pair.index(domain)
            degree = user_degree(stage.tasks[pair[1 - here]].data)
            rows = rows.to(degree.device)
            active[rows[here][degree[rows[1 - here]] > 0]] = True
    return active


def item_degree(data: HeteroData) -> Int[Tensor, " items"]:
    """Return the number of edges of each item in a graph."""
    degree: Tensor = data[INTERACTS].adj_t.crow_indices().diff()
    return degree


def user_degree(data: HeteroData) -> Int[Tensor, " users"]:
    """Return the number of edges of each user in a graph."""
    users = data[INTERACTS].adj_t.col_indices()
    return torch.bincount(users, minlength=data[USER].num_nodes)


def _item_degrees(data: HeteroData) -> list[Group]:
    degree = item_degree(data)
    found = [Group("item_degree_0", Scope("zero", degree == 0))]
    for band, mask in _in_bands(degree).items():
        found.append(Group(f"item_degree_{band}", Scope(items=mask)))
    return found


def _user_histories(
    data: HeteroData, every: Scope, elsewhere: Bool[Tensor, " users"]
) -> list[Group]:
    degree = user_degree(data)
    found = [
        Group("user_history_0", every, degree == 0),
        Group("user_history_other_domain", every, (degree == 0) & elsewhere),
    ]
    for band, mask in _in_bands(degree).items():
        found.append(Group(f"user_history_{band}", every, mask))
    return found


def _in_bands(degree: Int[Tensor, " nodes"]) -> dict[str, Bool[Tensor, " nodes"]]:
    """Return which nodes each band holds."""
    return {
        band: (degree >= low) & (degree <= high) for band, (low, high) in BANDS.items()
    }


def _modalities(data: HeteroData) -> list[Group]:
    """Return has_/no_ groups of every modality that the item nodes carry."""
    found = []
    for name in modalities_of(data):
        mask = data[ITEM][f"{name}_mask"]
        found.append(Group(f"has_{name}", Scope(items=mask)))
        found.append(Group(f"no_{name}", Scope(items=~mask)))
    return found


def modalities_of(data: HeteroData) -> list[str]:
    """Return the names of the modalities that the item nodes carry, sorted."""
    keys = [key for key in data[ITEM].keys() if key.endswith("_mask")]
    return sorted(key.removesuffix("_mask") for key in keys)
