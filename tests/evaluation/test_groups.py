"""Group membership on a domain small enough to read."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.groups import (
    Group,
    Scope,
    groups_of,
    pools_of,
    shared_users,
)
from micrec_pyg.schema import INTERACTS, ITEM, USER, Pair, Task, TestStage

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


def _named(
    data: HeteroData, overlap: dict[Pair, Tensor] | None = None, **others: HeteroData
) -> dict[str, Group]:
    none = torch.zeros(2, 0, dtype=torch.long)
    graphs = {"a": data, **others}
    tasks = {name: Task(name, graph, none, none) for name, graph in graphs.items()}
    stage = TestStage(graphs, tasks, overlap or {})
    return {group.name: group for group in groups_of(stage, "a")}


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
        # users 0..11 have 7, 6, 5, 4, 4, 3, 2, 2, 2, 2, 1 and no edge
        ("user_history_0", [11], None, None),
        ("user_history_1_2", [6, 7, 8, 9, 10], None, None),
        ("user_history_3_5", [2, 3, 4, 5], None, None),
        ("user_history_6_10", [0, 1], None, None),
        ("user_history_11_", [], None, None),
        ("user_history_other_domain", [11], None, None),
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
    overlap = {("a", "b"): torch.tensor([[0, 11], [11, 3]])}
    group = _named(data, overlap, b=_graph([], []))[name]
    assert _rows(group.users) == users
    assert _rows(group.scope.items) == items
    assert _rows(pools_of(data)[group.scope.pool]) == pool


def test_history_in_another_domain_needs_an_edge_there() -> None:
    """Of the users without an edge in a, only 3 has one elsewhere: in c."""
    data = _graph([], [], degrees=[1])
    overlap = {
        ("a", "b"): torch.tensor([[0, 2, 3], [5, 6, 7]]),
        ("a", "c"): torch.tensor([[3, 4], [0, 1]]),
    }
    nothing, one = _graph([], [], degrees=[0]), _graph([], [], degrees=[1])
    named = _named(data, overlap, b=nothing, c=one)
    assert _rows(named["user_history_0"].users) == list(range(1, 12))
    assert _rows(named["user_history_other_domain"].users) == [3]


def test_lists_are_judged_where_users_or_candidates_are_chosen() -> None:
    data = _graph(NEW_U, NEW_I)
    data[ITEM].image_mask = torch.tensor(DEGREES) > 4
    hits_only = {n for n, g in _named(data).items() if not g.scope.judges_lists}
    bands = {f"item_degree_{band}" for band in ("1_2", "3_5", "6_10", "11_")}
    assert hits_only == {*bands, "has_image", "no_image"}


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
    assert _rows(named["has_image"].scope.items) == [4, 5, 6, 7]
    assert _rows(named["no_image"].scope.items) == [0, 1, 2, 3]
    assert _rows(named["has_text"].scope.items) == [0, 1, 2, 3]
    assert {named[name].scope.pool for name in ("has_image", "no_text")} == {"all"}


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


def test_hidden_pairs_count_with_the_items_of_the_target() -> None:
    items = torch.tensor([False, True, True])
    pairs = torch.tensor([[0, 0, 1], [0, 2, 1]])
    assert Scope(items=items).hidden(pairs).tolist() == [[0, 1], [2, 1]]
    assert torch.equal(Scope().hidden(pairs), pairs)
