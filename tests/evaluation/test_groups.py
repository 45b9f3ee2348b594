"""Group membership on a domain small enough to read."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.groups import Group, groups_of, pools_of, shared_users
from micrec_pyg.schema import INTERACTS, ITEM, USER

DEGREES = [0, 1, 2, 3, 5, 6, 10, 11]


def _graph(
    new_users: list[int], new_items: list[int], degrees: list[int] = DEGREES
) -> HeteroData:
    """Return 12 users and an item per degree, read by users 0..degree-1."""
    data = HeteroData()
    for kind, count, new in ((USER, 12, new_users), (ITEM, len(degrees), new_items)):
        row = torch.arange(count)
        row[new] = -1
        data[kind].train_row, data[kind].num_nodes = row, count
    dense = torch.zeros(len(degrees), 12)
    for item, degree in enumerate(degrees):
        dense[item, :degree] = 1
    data[INTERACTS].adj_t = dense.to_sparse_csr()
    return data


def _rows(mask: Tensor | None) -> list[int] | None:
    return None if mask is None else mask.nonzero()[:, 0].tolist()


def _named(data: HeteroData, shared: list[int] | None = None) -> dict[str, Group]:
    users = torch.zeros(12, dtype=torch.bool)
    users[shared or []] = True
    return {group.name: group for group in groups_of(data, users)}


OLD_U, NEW_U = list(range(10)), [10, 11]
OLD_I, NEW_I = list(range(6)), [6, 7]


@pytest.mark.parametrize(
    ("name", "users", "pool", "items"),
    [
        ("all", None, None, None),
        ("old_user", OLD_U, None, None),
        ("new_user", NEW_U, None, None),
        ("old_item", None, OLD_I, OLD_I),
        ("new_item", None, NEW_I, NEW_I),
        ("old_user_old_item", OLD_U, OLD_I, OLD_I),
        ("old_user_new_item", OLD_U, NEW_I, NEW_I),
        ("new_user_old_item", NEW_U, OLD_I, OLD_I),
        ("new_user_new_item", NEW_U, NEW_I, NEW_I),
        ("item_degree_0", None, [0], [0]),
        ("item_degree_1_2", None, None, [1, 2]),
        ("item_degree_3_5", None, None, [3, 4]),
        ("item_degree_6_10", None, None, [5, 6]),
        ("item_degree_11_", None, None, [7]),
        ("overlap_user", [0, 11], None, None),
        ("single_domain_user", list(range(1, 11)), None, None),
    ],
)
def test_members(
    name: str,
    users: list[int] | None,
    pool: list[int] | None,
    items: list[int] | None,
) -> None:
    data = _graph(NEW_U, NEW_I)
    group = _named(data, shared=[0, 11])[name]
    assert _rows(group.users) == users
    assert _rows(group.items) == items
    assert _rows(pools_of(data)[group.pool]) == pool


def test_a_pool_of_every_item_is_no_restriction() -> None:
    assert pools_of(_graph([], []))["old"] is None
    assert pools_of(_graph([], [], degrees=[0, 0]))["zero"] is None


def test_groups_follow_the_modalities_of_the_item_nodes() -> None:
    data = _graph([], [])
    assert not {name for name in _named(data) if name.startswith(("has_", "no_"))}
    mask = torch.tensor(DEGREES) > 4
    data[ITEM].image_mask = mask
    data[ITEM].text_mask = ~mask
    named = _named(data)
    assert _rows(named["has_image"].items) == [4, 5, 6, 7]
    assert _rows(named["no_image"].items) == [0, 1, 2, 3]
    assert _rows(named["has_text"].items) == [0, 1, 2, 3]
    assert {named[name].pool for name in ("has_image", "no_text")} == {"all"}


def test_without_overlap_there_are_no_overlap_groups() -> None:
    assert not {"overlap_user", "single_domain_user"} & set(_named(_graph([], [])))


def test_shared_users_of_either_side_and_of_several_pairs() -> None:
    overlap = {
        ("a", "b"): torch.tensor([[0, 1], [4, 2]]),
        ("b", "c"): torch.tensor([[3], [0]]),
    }
    assert _rows(shared_users("a", 5, overlap)) == [0, 1]
    assert _rows(shared_users("b", 5, overlap)) == [2, 3, 4]
    assert _rows(shared_users("c", 5, overlap)) == [0]
    assert _rows(shared_users("d", 5, overlap)) == []


def test_hidden_pairs_need_both_ends_in_the_group() -> None:
    users = torch.tensor([True, False])
    items = torch.tensor([False, True, True])
    pairs = torch.tensor([[0, 0, 1], [0, 2, 1]])
    assert Group("x", users=users, items=items).hidden(pairs).tolist() == [[0], [2]]
    assert torch.equal(Group("all").hidden(pairs), pairs)
