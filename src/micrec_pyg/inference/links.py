"""The chain that answers everybody: each link is tried where those before have failed.

==============  ======================================================================
history         the model, on the person's own history in the domain
other domain    the model, where it reads other domains; else the mean of the model's
                scores of the people with the most similar histories there (cosine of
                the sets of items), who have a history here
content         the cosine of an item's content with the mean content of all histories
popularity      the number of people who are known to have the item; also the scores
                of a model that gives this person what it gives anybody
==============  ======================================================================

Scores that are the same for all items are no answer: the next link is tried. A model
knows somebody if it scores them unlike a person without any history.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.similar.few import unit_rows
from micrec_pyg.inference.askers import Askers
from micrec_pyg.inference.distinct import tells_items_apart, unlike_nobody
from micrec_pyg.inference.guests import (
    UserRows,
    guest_rows,
    with_users,
)
from micrec_pyg.inference.likeness import PEOPLE, likeness, shares
from micrec_pyg.inference.neighbors import item_features
from micrec_pyg.inference.tower import tower_in
from micrec_pyg.inference.world import World, compared_in
from micrec_pyg.schema import ITEM, USER, Feature

HISTORY, ELSEWHERE, CONTENT, POPULARITY = range(4)
REASONS = ("history", "other domain", "content", "popularity")

SCORED = 32 * PEOPLE
"""People whose scores are in memory at a time."""

Scores = Float[Tensor, "askers items"]
Found = tuple[Int[Tensor, " some"], Scores]
"""Which askers a link answers, and their scores of all items."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Scores of all items of a domain's graph, and the link that gave them."""

    scores: Scores
    reason: Int[Tensor, " askers"]
    """A place in ``REASONS``."""


@torch.no_grad()
def answer(
    world: World, domain: str, askers: Askers, *, by_model: bool = True
) -> Answer:
    """Return everybody's scores by the first link of the chain that has any.

    Args:
        world: What is known.
        domain: Whose items are scored.
        askers: A block of people; memory is O(askers x items).
        by_model: Whether the model is asked; False where it had no answer already.
    """
    items = world.tasks[domain].data[ITEM].num_nodes
    scores = torch.zeros(askers.count, items, device=world.device)
    reason = torch.full((askers.count,), -1)
    links = (_by_model, _by_people, _by_content, _by_popularity)
    for link in links if by_model else links[1:]:
        open_ones = (reason < 0).nonzero().flatten()
        if not len(open_ones):
            break
        for code, (rows, found) in link(world, domain, askers.some(open_ones)):
            told = tells_items_apart(found)
            if link is not _by_popularity and not bool(told.all()):
                rows, found = rows[told.cpu()], found[told]
            if link in (_by_model, _by_people):
                found = _without_unheard(world, domain, found)
            place = open_ones[rows.cpu()]
            scores[place.to(world.device)] = found
            reason[place] = code
    return Answer(scores, reason)


def _without_unheard(world: World, domain: str, scores: Scores) -> Scores:
    """Return scores of the model without those of items that it knows nothing of."""
    unheard = world.rows(domain).unheard
    if unheard is None:
        return scores
    return scores.masked_fill(unheard.to(scores.device), -torch.inf)


def _by_model(world: World, domain: str, askers: Askers) -> Iterator[tuple[int, Found]]:
    """Yield those with a history here, then those whom the model knows otherwise."""
    if USER not in world.model.answers:
        return
    blank = 1 + askers.person.max().clamp(min=world.num_people).view(1)
    everybody = Askers(torch.cat([askers.person, blank]), askers.history)
    found = guest_scores(world, domain, everybody)
    scores, nobody = found[:-1], found[-1]
    own, known = askers.degree(domain) > 0, unlike_nobody(scores, nobody).cpu()
    for code, who in (
        (HISTORY, own & known),
        (POPULARITY, own & ~known),
        (ELSEWHERE, ~own & known & _anywhere(askers)),
    ):
        rows = who.nonzero().flatten()
        yield code, (rows, scores[rows.to(world.device)])


@torch.no_grad()
def scores_of_nobody(world: World, domain: str) -> Float[Tensor, " items"]:
    """Return the model's scores of a person without any history; once per world."""
    if domain not in world.nobody:
        none = torch.zeros(2, 0, dtype=torch.int64)
        person = torch.tensor([world.num_people])
        blank = Askers(person, dict.fromkeys(world.domains, none))
        world.nobody[domain] = guest_scores(world, domain, blank)[0]
    return world.nobody[domain]


def guest_scores(world: World, domain: str, askers: Askers) -> Scores:
    """Return the model's scores of people as guests of all graphs.

    By the tower of the model, where it has one: then nothing is computed for anybody
    else.
    """
    task = world.tasks[domain]
    tower = None if world.options.union else tower_in(world, task.graph)
    if tower is not None:
        edges = askers.history[domain].to(world.device)
        return tower.vectors(edges, askers.count) @ world.z[task.graph].item.T
    return through_graphs(world, domain, askers)


def prepared_as(before: World, now: World) -> World:
    """Return a world after making what questions to one before it have made.

    So whoever changes a world waits for that, and not the next who asks.
    """
    for graph in list(before.towers):
        tower_in(now, graph)
    for domain in list(before.nobody):
        scores_of_nobody(now, domain)
    return now


def through_graphs(world: World, domain: str, askers: Askers) -> Scores:
    """Return the model's scores of people, by a pass over graphs that have them."""
    task = world.tasks[domain]
    graphs = {
        name: with_users(world.graphs[name], rows)
        for name, rows in rows_of_guests(world, domain, askers).items()
    }
    if world.model.reads_other_domains:
        graphs = {**world.graphs, **graphs}
    z = world.model(graphs)
    score = world.model.scorer(task.graph, z, graphs)
    first = world.graphs[task.graph][USER].num_nodes
    rows = first + torch.arange(askers.count, device=world.device)
    scores = score(rows)
    return scores if task.item is None else scores.index_select(1, task.item)


def rows_of_guests(world: World, domain: str, askers: Askers) -> dict[str, UserRows]:
    """Return what the graphs that the model reads would say of people, by graph."""
    found = {}
    for name in graphs_read(world, domain):
        guests = askers.guests(world, name, domain)
        if guests.count:
            there = compared_in(world, name)[USER]
            data = world.graphs[name]
            found[name] = guest_rows(data, guests, world.options, there)
    return found


def graphs_read(world: World, domain: str) -> list[str]:
    """Return the names of the graphs on which a domain's scores depend."""
    others = list(world.graphs) if world.model.reads_other_domains else []
    return list(dict.fromkeys([world.tasks[domain].graph, *others]))


def _by_people(
    world: World, domain: str, askers: Askers
) -> Iterator[tuple[int, Found]]:
    """Yield those whose histories in other domains resemble those of people here."""
    if not world.personal[domain]:
        return
    weight = likeness(world, domain, askers)
    rows = (weight > 0).any(1).nonzero().flatten()
    if not len(rows):
        return
    share = shares(weight[rows])
    asker, user = share.nonzero(as_tuple=True)
    share = share[asker, user].to(world.device)
    asker, user = asker.to(world.device), user.to(world.device)
    score = world.scores[domain]
    found = torch.zeros(
        len(rows), world.tasks[domain].data[ITEM].num_nodes, device=world.device
    )
    for some in torch.arange(len(user), device=world.device).split(SCORED):
        found.index_add_(0, asker[some], score(user[some]) * share[some, None])
    yield ELSEWHERE, (rows, found)


def _by_content(
    world: World, domain: str, askers: Askers
) -> Iterator[tuple[int, Found]]:
    """Yield those whose histories, in any domain, have content to compare."""
    there = item_features(world.tasks[domain].data)
    weights = {m: w for m, w in world.options.weights.items() if w > 0}
    total = torch.zeros(askers.count, world.tasks[domain].data[ITEM].num_nodes)
    total = total.to(world.device)
    weight = torch.zeros_like(total)
    for modality, feature in there.items():
        mean = _mean(world, askers, modality, feature.values.shape[1])
        if modality not in weights or mean is None:
            continue
        cosine = unit_rows(mean.values) @ unit_rows(feature.values).T
        total += weights[modality] * cosine
        both = mean.mask[:, None] & feature.mask
        weight += weights[modality] * both
    rows = (weight > 0).any(1).nonzero().flatten().cpu()
    scores = total / weight.clamp(min=torch.finfo(torch.float32).tiny)
    yield CONTENT, (rows, scores[rows.to(world.device)])


def _mean(world: World, askers: Askers, modality: str, width: int) -> Feature | None:
    """Return the mean vector of everybody's items in all domains that have these."""
    total = torch.zeros(askers.count, width, device=world.device)
    count = torch.zeros(askers.count, device=world.device)
    for name, (asker, item) in askers.history.items():
        feature = item_features(world.tasks[name].data).get(modality)
        if feature is None or feature.values.shape[1] != width:
            continue
        asker, item = asker.to(world.device), item.to(world.device)
        kept = feature.mask[item]
        total.index_add_(0, asker[kept], feature.values[item[kept]])
        count.index_add_(0, asker[kept], torch.ones_like(item[kept]).float())
    if not count.any():
        return None
    return Feature(total / count.clamp(min=1)[:, None], count > 0)


def _by_popularity(
    world: World, domain: str, askers: Askers
) -> Iterator[tuple[int, Found]]:
    """Yield everybody who is left."""
    degree = world.tasks[domain].data[ITEM].degree.float()
    rows = torch.arange(askers.count)
    yield POPULARITY, (rows, degree.expand(askers.count, -1))


def _anywhere(askers: Askers) -> Tensor:
    """Return who has a history in any domain."""
    degrees = [askers.degree(name) for name in askers.history]
    return torch.stack(degrees).sum(0) > 0
