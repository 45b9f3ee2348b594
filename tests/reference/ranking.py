"""A ranking task small enough for loops, a model for it, and who is in a group."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.models.base import Model
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTS,
    ITEM,
    USER,
    Embeddings,
    Task,
    TestStage,
    TrainStage,
)

USERS, ITEMS = 14, 24
NEW_USERS, NEW_ITEMS = 3, 6
SHARED = torch.tensor([[0, 2, 12], [5, 4, 1]])
"""Rows of the users of both domain a and domain b."""


class Fake(Model):
    """Answers with fixed whole-numbered vectors, hence many tied scores."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.modes: set[bool] = set()

    def forward(
        self, graphs: Mapping[str, HeteroData], streams: RandomStreams | None = None
    ) -> dict[str, Embeddings]:
        self.calls += 1
        self.modes.add(self.training or torch.is_grad_enabled())
        return {
            name: Embeddings(_vectors(data[USER].n_id, 3), _vectors(data[ITEM].n_id, 7))
            for name, data in graphs.items()
        }


def all_scores() -> Tensor:
    """Return what ``Fake`` scores, a row per user."""
    return _vectors(torch.arange(USERS), 3) @ _vectors(torch.arange(ITEMS), 7).T


def graph(new_users: int, new_items: int, known: Tensor) -> HeteroData:
    """Return a graph whose last users and items are new; even items have an image."""
    data = HeteroData()
    for kind, count, new in ((USER, USERS, new_users), (ITEM, ITEMS, new_items)):
        row = torch.arange(count)
        data[kind].n_id, data[kind].num_nodes = row.clone(), count
        row[count - new :] = -1
        data[kind].train_row = row
    dense = torch.zeros(ITEMS, USERS)
    dense[known[1], known[0]] = 1
    data[INTERACTS].adj_t = dense.to_sparse_csr()
    data[ITEM].image_mask = torch.arange(ITEMS) % 2 == 0
    image = torch.randn(ITEMS, 3, generator=torch.Generator().manual_seed(4))
    data[ITEM].image = image * data[ITEM].image_mask[:, None]
    return data


def stage(seed: int = 0, domains: tuple[str, ...] = ("a", "b")) -> TestStage:
    """Return a task with new users and items, some of these without an edge."""
    graphs, tasks = {}, {}
    for offset, name in enumerate(domains):
        generator = torch.Generator().manual_seed(seed + offset)
        draw = torch.rand(USERS, ITEMS, generator=generator)
        draw[:, -2:] += 0.3  # never known: zero-edge items
        draw[[2, 12]] += 0.3  # users without a history
        draw[3, 2:] += 0.3
        draw[3, :2] = 0.1  # a user with two edges
        draw[4] = 2.0  # a user with nothing at all
        known = (draw < 0.3).nonzero().T
        hidden = ((draw >= 0.3) & (draw < 0.5)).nonzero().T
        graphs[name] = graph(NEW_USERS, NEW_ITEMS, known)
        tasks[name] = Task(name, graphs[name], known, hidden)
    overlap = {("a", "b"): SHARED} if "b" in domains else {}
    return TestStage(graphs, tasks, overlap)


def changed(
    task: TestStage, change: Callable[[str, Task], dict[str, object]]
) -> TestStage:
    """Return the stage with some fields of every task replaced."""
    tasks = {n: replace(each, **change(n, each)) for n, each in task.tasks.items()}
    graphs = {name: each.data for name, each in tasks.items()}
    return TestStage(graphs, tasks, task.overlap)


def old_graphs(task: TestStage, known: Mapping[str, Tensor]) -> TrainStage:
    """Return the training stage of old users and items, which come first."""
    users, items = USERS - NEW_USERS, ITEMS - NEW_ITEMS
    graphs = {}
    for name in task.tasks:
        pairs = known[name]
        old = pairs[:, (pairs[0] < users) & (pairs[1] < items)]
        data = graph(0, 0, old)
        for kind, count in ((USER, users), (ITEM, items)):
            data[kind].n_id = data[kind].n_id[:count]
            data[kind].train_row, data[kind].num_nodes = torch.arange(count), count
        for key in ("image", "image_mask"):
            data[ITEM][key] = data[ITEM][key][:items]
        dense = data[INTERACTS].adj_t.to_dense()[:items, :users]
        data[INTERACTS].adj_t = dense.to_sparse_csr()
        graphs[name] = data
    none = torch.zeros(2, 0, dtype=torch.long)
    tasks = {name: Task(name, data, none, none) for name, data in graphs.items()}
    return TrainStage(graphs, {}, {}, tasks)


def group(
    task: TestStage, domain: str, name: str
) -> tuple[set[int], set[int], set[int]]:
    """Return the users, candidates and counting items of a group, by sets and loops."""
    degree = Counter(item for _, item in pairs_of(task.tasks[domain].known))
    history = {
        name: Counter(user for user, _ in pairs_of(each.known))
        for name, each in task.tasks.items()
    }
    everyone, every = set(range(USERS)), set(range(ITEMS))
    new_u, new_i = set(range(11, 14)), set(range(18, ITEMS))
    old_u, old_i = everyone - new_u, every - new_i
    here, there = ("a", "b") if domain == "a" else ("b", "a")
    links = SHARED.T.tolist() if domain == "a" else SHARED.flip(0).T.tolist()
    idle = {u for u in everyone if history[here][u] == 0}
    active = {u for u, other in links if history[there][other] > 0}
    zero = {i for i in every if degree[i] == 0}
    return {
        "all": (everyone, every, every),
        "old_user": (old_u, every, every),
        "new_user": (new_u, every, every),
        "old_item": (everyone, old_i, old_i),
        "new_item": (everyone, new_i, new_i),
        "old_user_old_item": (old_u, old_i, old_i),
        "old_user_new_item": (old_u, new_i, new_i),
        "new_user_old_item": (new_u, old_i, old_i),
        "new_user_new_item": (new_u, new_i, new_i),
        "item_degree_0": (everyone, zero, zero),
        "item_degree_1_2": (everyone, every, {i for i in every if degree[i] in (1, 2)}),
        "user_history_0": (idle, every, every),
        "user_history_other_domain": (idle & active, every, every),
        "user_history_1_2": (
            {u for u in everyone if history[here][u] in (1, 2)},
            every,
            every,
        ),
        "overlap_user": ({u for u, _ in links}, every, every),
        "single_domain_user": (everyone - {u for u, _ in links}, every, every),
        "has_image": (everyone, every, {i for i in every if i % 2 == 0}),
        "no_image": (everyone, every, {i for i in every if i % 2}),
    }[name]


def pairs_of(pairs: Tensor) -> list[tuple[int, int]]:
    """Return (user, item) pairs as a list."""
    return [(user, item) for user, item in pairs.T.tolist()]


def _vectors(n_id: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, (100, 3), generator=generator).float()[n_id]
