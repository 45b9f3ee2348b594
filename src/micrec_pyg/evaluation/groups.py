"""Groups of users and items that metrics are reported for.

Old means part of the training graph (``train_row`` >= 0), new means not. What
each group ranks and counts is tabled in docs/metrics.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import INTERACTS, ITEM, USER, Pair

DEGREE_BANDS: Mapping[str, tuple[int, int | None]] = {
    "item_degree_1_2": (1, 2),
    "item_degree_3_5": (3, 5),
    "item_degree_6_10": (6, 10),
    "item_degree_11_": (11, None),
}
"""Number of edges in the evaluated graph, both ends included."""


@dataclass(frozen=True, eq=False)
class Group:
    """Whose lists are judged, over which candidates, by which hidden pairs."""

    name: str
    users: Bool[Tensor, " users"] | None = None
    """Users of the group; None means all."""
    pool: str = "all"
    """Name of the candidate set, a key of ``pools_of``."""
    items: Bool[Tensor, " items"] | None = None
    """Hidden pairs count only with these items; None means all."""

    def hidden(self, pairs: Int[Tensor, "2 _"]) -> Int[Tensor, "2 _"]:
        """Return the hidden pairs that count in this group."""
        keep = torch.ones_like(pairs[0], dtype=torch.bool)
        if self.users is not None:
            keep = keep & self.users[pairs[0]]
        if self.items is not None:
            keep = keep & self.items[pairs[1]]
        return pairs[:, keep]


def pools_of(data: HeteroData) -> dict[str, Bool[Tensor, " items"] | None]:
    """Return the candidate sets of a domain by name; None means all items.

    A set that turns out to hold every item is None, so that it costs no copy.
    """
    old = data[ITEM].train_row >= 0
    sets = {"old": old, "new": ~old, "zero": _degree(data) == 0}
    return {"all": None, **{n: None if m.all() else m for n, m in sets.items()}}


def groups_of(data: HeteroData, shared: Bool[Tensor, " users"]) -> list[Group]:
    """Return the groups of one domain, ``all`` first; some may be empty.

    Args:
        data: The evaluated graph.
        shared: Users that another domain has too.
    """
    old_user, old_item = data[USER].train_row >= 0, data[ITEM].train_row >= 0
    sides = [("old", old_user, old_item), ("new", ~old_user, ~old_item)]
    found = [Group("all")]
    found += [Group(f"{side}_user", users=user) for side, user, _ in sides]
    found += [Group(f"{side}_item", pool=side, items=item) for side, _, item in sides]
    found += [
        Group(f"{who}_user_{what}_item", users=user, pool=what, items=item)
        for who, user, _ in sides
        for what, _, item in sides
    ]
    found += _degree_groups(data)
    shared = shared.to(old_user.device)
    if shared.any():
        found += [
            Group("overlap_user", users=shared),
            Group("single_domain_user", users=~shared),
        ]
    return found + _modality_groups(data)


def shared_users(
    domain: str, num_users: int, overlap: Mapping[Pair, Int[Tensor, "2 _"]]
) -> Bool[Tensor, " {num_users}"]:
    """Return which users of the domain another domain has too."""
    shared = torch.zeros(num_users, dtype=torch.bool)
    for pair, rows in overlap.items():
        if domain in pair:
            shared[rows[pair.index(domain)].cpu()] = True
    return shared


def _degree(data: HeteroData) -> Int[Tensor, " items"]:
    """Return the number of edges of each item in the evaluated graph."""
    degree: Tensor = data[INTERACTS].adj_t.crow_indices().diff()
    return degree


def _degree_groups(data: HeteroData) -> list[Group]:
    degree = _degree(data)
    found = [Group("item_degree_0", pool="zero", items=degree == 0)]
    for name, (low, high) in DEGREE_BANDS.items():
        inside = degree >= low
        if high is not None:
            inside = inside & (degree <= high)
        found.append(Group(name, items=inside))
    return found


def _modality_groups(data: HeteroData) -> list[Group]:
    """Return has_/no_ groups of every modality that the item nodes carry."""
    found = []
    for key in sorted(k for k in data[ITEM].keys() if k.endswith("_mask")):
        mask, name = data[ITEM][key], key.removesuffix("_mask")
        found.append(Group(f"has_{name}", items=mask))
        found.append(Group(f"no_{name}", items=~mask))
    return found
