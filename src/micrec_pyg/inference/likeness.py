"""How alike the histories of two people are in the domains where both have one."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.node_rows import places
from micrec_pyg.inference.askers import Askers
from micrec_pyg.inference.world import World
from micrec_pyg.schema import INTERACTS, USER, Task

PEOPLE = 20
"""People with a similar history elsewhere, whose scores are averaged."""


def likeness(
    world: World, domain: str, askers: Askers
) -> Float[Tensor, "askers users"]:
    """Return the cosines of histories elsewhere, summed over the other domains.

    Args:
        world: What is known.
        domain: Whose users stand in the columns; 0 for those without a history there.
        askers: A block of people; memory is O(askers x users).
    """
    mine = world.tasks[domain].data
    weight = torch.zeros(askers.count, mine[USER].num_nodes)
    for name, task in world.tasks.items():
        if name != domain and askers.history[name].shape[1]:
            here = _rows_here(task.data[USER].person, mine)
            alike = _cosines(askers, name, task)
            linked = (here >= 0).nonzero().flatten()
            weight.index_add_(1, here[linked], alike[:, linked])
    return weight


def shares(
    weight: Float[Tensor, "askers users"],
) -> Float[Tensor, "askers users"]:
    """Return the weights of the ``PEOPLE`` largest of every row, over their sum.

    Whoever is level with the last of them has an equal part of the places that are
    left: the order of the users, which changes as others come and go, decides nothing.

    Args:
        weight: From 0, with one above it in every row.
    """
    count = min(PEOPLE, weight.shape[1])
    last = weight.topk(count, dim=1).values[:, -1:]
    above, level = weight > last, weight == last
    left = count - above.sum(1, keepdim=True)
    weight = weight * (above + level * left / level.sum(1, keepdim=True))
    return weight / weight.sum(1, keepdim=True)


def _rows_here(person: Tensor, here: HeteroData) -> Int[Tensor, " users"]:
    """Return the row here of users of another domain; -1 without a history here."""
    users = here[USER]
    mine = users.person.cpu().clone()
    size = 1 + int(torch.cat([mine, person.cpu()]).max())
    row = places(mine, size)[person.cpu()]
    has = users.degree.cpu()[row.clamp(min=0)] > 0
    return torch.where(has, row, -1)


def _cosines(askers: Askers, name: str, task: Task) -> Float[Tensor, "askers users"]:
    """Return the cosine of the sets of items, of each asker with each user."""
    asker, item = askers.history[name]
    matrix = task.data[INTERACTS].adj_t.cpu()  # a row per item: its users
    crow = matrix.crow_indices().long()
    width = crow.diff()[item]
    start = (crow[item] - (width.cumsum(0) - width)).repeat_interleave(width)
    user = matrix.col_indices().long()[start + torch.arange(int(width.sum()))]
    common = torch.zeros(askers.count, matrix.shape[1])
    owner = asker.repeat_interleave(width)
    common.index_put_((owner, user), torch.ones(len(user)), accumulate=True)
    mine = askers.degree(name).clamp(min=1)[:, None]
    cosine: Tensor = common / (mine * task.data[USER].degree.cpu().clamp(min=1)).sqrt()
    return cosine
