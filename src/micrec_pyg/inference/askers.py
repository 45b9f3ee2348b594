"""Whom a question is about: known users, or people with a history at hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.graph.node_rows import places
from micrec_pyg.inference.guests import Guests
from micrec_pyg.inference.world import World


@dataclass(frozen=True, eq=False)
class Askers:
    """People in the order of the question; edges are in rows of the domains' graphs."""

    person: Int[Tensor, " askers"]
    """As in the graphs; numbers of their own for people who are nowhere in them."""
    history: Mapping[str, Int[Tensor, "2 _"]]
    """By domain: distinct (asker, item row) pairs, sorted."""

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self.person)

    def some(self, rows: Int[Tensor, " some"]) -> "Askers":
        """Return some of them, in the order given."""
        history = {}
        for name, (asker, item) in self.history.items():
            place = places(rows, self.count)[asker]
            kept = place >= 0
            history[name] = in_order(place[kept], item[kept])
        return Askers(self.person[rows], history)

    def degree(self, domain: str) -> Int[Tensor, " askers"]:
        """Return the length of each history in a domain."""
        return torch.bincount(self.history[domain][0], minlength=self.count)

    def guests(self, world: World, graph: str, domain: str) -> Guests:
        """Return the guests of a graph, which may stand for several domains.

        Args:
            world: What is known.
            graph: Name; of another domain it has those with a history there alone, as
                the graphs have no row for people who are not in a domain.
            domain: Whose items are asked for; its graph has all askers, in order.
        """
        parts = [torch.zeros(2, 0, dtype=torch.int64)]
        for name, (asker, item) in self.history.items():
            task = world.tasks[name]
            if task.graph == graph:
                rows = item if task.item is None else task.item.cpu()[item]
                parts.append(torch.stack([asker, rows]))
        edges = in_order(*torch.cat(parts, dim=1))
        # People of their own in every graph, never a known one: a model that finds
        # a person's rows in several domains must not take a user's row for a guest's.
        person = world.num_people + torch.arange(self.count)
        if graph != world.tasks[domain].graph:
            there, place = edges[0].unique(return_inverse=True)
            person, edges = person[there], torch.stack([place, edges[1]])
        return Guests(edges.to(world.device), person.to(world.device))


def known_askers(world: World, person: Int[Tensor, " askers"]) -> Askers:
    """Return people with the histories that are known of them.

    Args:
        world: What is known.
        person: Distinct numbers of people.
    """
    history = {}
    place = places(person, 1 + int(person.max().clamp(min=world.num_people)))
    for name, split in world.splits.items():
        user, item = split.known_at_test
        asker, row = place[world.train.person[name]][user], world.rows(name).item[item]
        kept = (asker >= 0) & (row >= 0)
        history[name] = in_order(asker[kept], row[kept])
    return Askers(person, history)


def in_order(asker: Tensor, item: Tensor) -> Int[Tensor, "2 _"]:
    """Return distinct (asker, item) pairs, sorted."""
    if not len(asker):
        return torch.stack([asker, item])
    size = 1 + int(item.max())
    key = torch.unique(asker * size + item)
    return torch.stack([key // size, key % size])
